"""Gives the clips of a manifest many captions, in the wordings of `data/wordings`.

    python -m data.widen_captions datasets/manifests/*.jsonl --out datasets/worded

Clips of the training split alone; what the manifest says of a clip stays a fifth of its captions.
Clips whose label has no wordings keep what they have.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from audiogen_jax.files.jsonl import read_rows, write_rows
from data.wording import choose, music_phrase, sound_phrase, voice_caption, wordings

CAPTIONS = 40
"""New ones of each clip."""
GIVEN = 10
"""How often those of the manifest are listed among them."""


def widened(row: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """A row of a manifest with more phrasings in its views.

    Args:
      row: of `build_manifest`, with a label.
      seed: of the draws, with the name of the clip.
    """
    rng = np.random.default_rng([seed, *str(row["audio_id"]).encode()])
    label = row.get("label")
    if row.get("split") != "train":
        return dict(row)
    if "asr" in row:
        drawn = [voice_caption(_kind(row), row["asr"].split(), rng) for _ in range(CAPTIONS)]
        if len(row["asr"].split()) > 3:  # sentences are not quoted
            drawn = [voice_caption(_kind(row), ["words"] * 4, rng, 0.0) for _ in range(CAPTIONS)]
        return _with(row, "speech", [voice for _, voice in drawn], [said for said, _ in drawn])
    if "music" in row and label in wordings("music"):
        phrases = [music_phrase(label, rng) for _ in range(CAPTIONS)]
        return _with(row, "music", phrases, [_sentence(phrase, rng) for phrase in phrases])
    view = "sfx" if "sfx" in row else "env"
    if view in row and label in wordings("sounds"):
        phrases = [sound_phrase(label, rng) for _ in range(CAPTIONS)]
        sentences = wordings("sounds")[label]["sentences"]
        texts = [
            choose(sentences, rng) if rng.random() < 0.5 else _sentence(phrase, rng)
            for phrase in phrases
        ]
        return _with(row, view, phrases, texts)
    return dict(row)


def _kind(row: Mapping[str, Any]) -> str:
    text = " ".join(_listed(row.get("speech", [])))
    if "synthe" in text:
        return "synthetic"
    return "female" if "woman" in text else "male" if "man" in text else "person"


def _sentence(phrase: str, rng: np.random.Generator) -> str:
    text = choose(wordings("scenes")["openings"], rng) + phrase
    return f"{text[0].upper()}{text[1:]}." if rng.random() < 0.5 else text


def _with(
    row: Mapping[str, Any], view: str, phrases: list[str], captions: list[str]
) -> dict[str, Any]:
    wider = dict(row)
    for name, texts in ((view, phrases), ("caption", captions)):
        given = _listed(row.get(name, []))
        wider[name] = [given[i % len(given)] for i in range(GIVEN if given else 0)] + texts
    return wider


def _listed(texts: str | list[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else texts


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.widen_captions", description=__doc__)
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new manifests")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    try:
        for path in args.manifests:
            rows = [widened(row, args.seed) for row in read_rows(path)]
            for row in rows:  # as seen from the new folder
                row["path"] = os.path.relpath(path.parent / row["path"], args.out)
            write_rows(args.out / path.name, rows)
            wide = sum(isinstance(row["caption"], list) and len(row["caption"]) > CAPTIONS
                       for row in rows)  # fmt: skip
            print(f"{args.out / path.name}: {wide} of {len(rows)} clips have more captions")
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
