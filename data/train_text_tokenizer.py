"""Trains the text tokenizer of a small generator on texts, or on the captions of manifests.

    python -m data.train_text_tokenizer --out tokenizer.json --texts corpus.txt
    python -m data.train_text_tokenizer --out tokenizer.json manifests/singles.jsonl ...

Byte-level BPE: any text encodes, nothing is unknown. `<pad>` is 0, `</s>` 1 (appended to every
text), `<unk>` 2, then one token per caption tag. Letters are lower-cased: a small text encoder
should not have to learn "Rain" and "rain" apart.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from audiogen_jax.caption import VIEWS
from audiogen_jax.files.atomic import write_text
from audiogen_jax.input.manifest import read_manifest

VOCAB_SIZE = 4096
END = "</s>"
SPECIAL_TOKENS = ("<pad>", END, "<unk>", *(f"<|{view}|>" for view in VIEWS))


def train(texts: Iterable[str], vocab_size: int = VOCAB_SIZE) -> Tokenizer:
    """Trains a tokenizer on `texts`.

    Raises:
      ValueError: `vocab_size` cannot hold the bytes and special tokens.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if vocab_size < len(alphabet) + len(SPECIAL_TOKENS):
        raise ValueError(
            f"{vocab_size=} is below {len(alphabet)} bytes + {len(SPECIAL_TOKENS)} special tokens"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        # A tag takes the space before it, else every tag would cost two tokens.
        special_tokens=[AddedToken(token, lstrip=True) for token in SPECIAL_TOKENS],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    return tokenizer


def training_texts(manifests: Iterable[Path]) -> Iterator[str]:
    """Every phrasing of every view of the training split, once per clip."""
    for manifest in manifests:
        for record in read_manifest(manifest):
            if record.split == "train":
                for phrasings in record.views.values():
                    yield from phrasings


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m data.train_text_tokenizer", description=__doc__
    )
    parser.add_argument("manifests", type=Path, nargs="*", help="audio manifests (jsonl)")
    parser.add_argument("--texts", type=Path, help="a file with one text a line")
    parser.add_argument("--out", type=Path, required=True, help="the tokenizer.json to write")
    parser.add_argument("--vocab-size", type=int, default=VOCAB_SIZE)
    args = parser.parse_args(argv)
    if not args.manifests and args.texts is None:
        parser.error("no texts: name manifests, or a file of texts by --texts")
    try:
        texts = [] if args.texts is None else args.texts.read_text(encoding="utf-8").splitlines()
        tokenizer = train([*texts, *training_texts(args.manifests)], args.vocab_size)
        write_text(args.out, tokenizer.to_str(pretty=True) + "\n")
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{args.out}: {tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main()
