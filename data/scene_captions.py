"""The structured caption of a mixed scene, written from what was mixed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LONGEST_QUOTE = 60
"""Characters of a transcript that the caption quotes."""


def scene_views(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    order: Sequence[str],
    room: str | None,
    rng: np.random.Generator,
) -> dict[str, str | list[str]]:
    """Views of a scene.

    Args:
      rows: role ("speech", "sfx", "music", "env") -> the manifest rows of its clips.
      order: roles whose sounds follow each other without overlap, first to last; may be empty.
      room: the room in words, if reverberation was added.
      rng: chooses among the phrasings of each clip.
    """
    views: dict[str, str | list[str]] = {"caption": []}
    phrases: dict[str, str] = {}
    if speech := rows.get("speech"):
        words = " ".join(row["asr"] for row in speech)
        phrases["speech"] = _speech(_one(speech[0]["speech"], rng), words)
        views |= {"speech": speech[0]["speech"], "asr": words}
    for role in ("sfx", "music", "env"):
        if parts := rows.get(role):
            sound = enumeration([_one(row[role], rng) for row in parts])
            views[role] = sound
            # Beside other sounds the caption names the music without its tempo and key.
            phrases[role] = sound if len(rows) == 1 else sound.split(",")[0]
    if room:
        views["env"] = room
    views["caption"] = _captions(phrases, order, room)
    return views


def _captions(phrases: Mapping[str, str], order: Sequence[str], room: str | None) -> list[str]:
    parts = [phrases[role] for role in ("speech", "sfx", "music", "env") if role in phrases]
    texts = [enumeration(parts)]
    if len(parts) == 1:
        texts.append(f"the sound of {parts[0]}")
    else:
        texts.append(f"{parts[0]} with {enumeration(parts[1:])} in the background")
    if order:
        rest = [phrase for role, phrase in phrases.items() if role not in order]
        sequence = ", then ".join(phrases[role] for role in order)
        texts[1] = f"{sequence}, with {enumeration(rest)}" if rest else sequence
    if room:
        texts[-1] += f", in {room}"
    return [f"{text[0].upper()}{text[1:]}." for text in texts]


def _speech(voice: str, words: str) -> str:
    if len(words) > LONGEST_QUOTE:
        return voice
    for ending in (" speaking", " speaking English", " reading aloud"):
        voice = voice.removesuffix(ending)
    return f'{voice} saying "{words.rstrip(".")}"'


def enumeration(parts: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last


def _one(phrasings: str | Sequence[str], rng: np.random.Generator) -> str:
    return phrasings if isinstance(phrasings, str) else phrasings[int(rng.integers(len(phrasings)))]
