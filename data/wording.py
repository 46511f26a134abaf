"""Captions in many wordings, drawn from `data/wordings`."""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audiogen_jax.caption import StructuredCaption

FOLDER = Path(__file__).parent / "wordings"
KINDS = ("male", "female", "person", "synthetic")
INSTRUMENTS = ("piano", "flute", "violin", "guitar", "drums", "strings", "trumpet", "organ")
TEMPOS = ("slow", "moderate", "fast")
KEYS = ("C major", "G minor", "D major", "A minor", "E flat major", "F minor")
_ONE_WORD = re.compile(r"\b(single )?word\b")


@functools.cache
def wordings(name: str) -> Mapping[str, Any]:
    """The contents of a file of the folder."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def choose(texts: Sequence[str], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))]


def voice_caption(
    kind: str, words: Sequence[str], rng: np.random.Generator, quoting: float = 0.5
) -> tuple[str, str]:
    """A sentence about somebody who speaks, and the phrase for the voice in it.

    Args:
      kind: one of `KINDS`.
      words: that are spoken.
      rng: draws.
      quoting: share of the sentences that say the words.
    """
    lists = wordings("voices")[kind]
    voice = choose(lists["phrases"], rng)
    if rng.random() < quoting:
        templates = [*lists["saying"], *([] if len(words) == 1 else wordings("voices")["counting"])]
    else:
        templates = lists["silent"]
    if len(words) > 1:
        templates = [text for text in templates if not _ONE_WORD.search(text)]
    spoken = wordings("voices")["digits"]
    said = ", ".join(choose(spoken.get(word, [word]), rng) for word in words)
    return choose(templates, rng).format(voice=voice, words=said), voice


def sound_phrase(label: str, rng: np.random.Generator) -> str:
    """What stands for a sound in a sentence."""
    return choose(wordings("sounds")[label]["phrases"], rng)


def music_phrase(genre: str, rng: np.random.Generator) -> str:
    """What stands for music in a sentence."""
    return _filled(choose(wordings("music")[genre]["phrases"], rng), rng)


def random_caption(rng: np.random.Generator) -> StructuredCaption:
    """Any scene that the wordings can say, whether a recording of it is at hand or not."""
    sounds, music, scenes = wordings("sounds"), wordings("music"), wordings("scenes")
    kind = int(rng.integers(6))
    if kind == 0:
        entry = sounds[choose([*sounds], rng)]
        caption = choose(entry["sentences"], rng)
        return StructuredCaption(caption, sfx=choose(entry["phrases"], rng))
    if kind == 1:
        entry = music[choose([*music], rng)]
        caption = _filled(choose(entry["sentences"], rng), rng)
        return StructuredCaption(caption, music=_filled(choose(entry["phrases"], rng), rng))
    words = [choose([*wordings("voices")["digits"]], rng) for _ in range(int(rng.integers(1, 4)))]
    said, voice = voice_caption(choose(KINDS, rng), words, rng)
    if kind == 2:
        return StructuredCaption(said, speech=voice, asr=" ".join(words))
    parts = [sound_phrase(choose([*sounds], rng), rng) for _ in range(2)]
    parts.append(music_phrase(choose([*music], rng), rng))
    if kind == 3:
        caption = choose(scenes["two"], rng).format(a=parts[0], b=parts[1])
        return StructuredCaption(
            choose(scenes["openings"], rng) + caption, sfx=parts[0], env=parts[1]
        )
    if kind == 4:
        caption = choose(scenes["then"], rng).format(first=parts[0], second=parts[1])
        return StructuredCaption(caption, sfx=parts[0])
    caption = choose(scenes["three"], rng).format(a=said.rstrip("."), b=parts[0], c=parts[2])
    return StructuredCaption(
        caption, speech=voice, asr=" ".join(words), sfx=parts[0], music=parts[2]
    )


def _filled(text: str, rng: np.random.Generator) -> str:
    """A wording of music with its placeholders drawn."""
    others = rng.permutation(len(INSTRUMENTS))[: int(rng.integers(1, 3))]
    instruments = " and ".join(INSTRUMENTS[i] for i in others)
    return text.format(instruments=instruments, tempo=choose(TEMPOS, rng), key=choose(KEYS, rng))
