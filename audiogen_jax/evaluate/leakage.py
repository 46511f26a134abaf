"""Sounds on both sides of a split: what is measured on them is not held out."""

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, Int

SoundKeys: TypeAlias = tuple[bytes | str, ...]
"""Of a clip; those that have one in common hold the same sound."""
SHOWN = 3
"""Clips that are named, of many."""


def sound_keys(samples: Float32[np.ndarray, " n"], recording: str | None) -> SoundKeys:
    """What clips of the same samples, or of the same recording, have in common.

    Args:
      samples: of the clip; silence is like no other.
      recording: what it was cut from, if that is known.
    """
    digest = hashlib.sha256(np.ascontiguousarray(samples, np.float32).tobytes()).digest()
    return (*((digest,) if samples.any() else ()), *((recording,) if recording else ()))


def numbered_sounds(keys: Sequence[SoundKeys]) -> Int[np.ndarray, " n"]:
    """A number for each clip; those that keys link, also by way of others, have the same."""
    parents = list(range(len(keys)))

    def root(row: int) -> int:
        while parents[row] != row:
            row = parents[row]
        return row

    first: dict[bytes | str, int] = {}
    for row, each in enumerate(keys):
        for key in each:
            one, other = sorted((root(row), root(first.setdefault(key, row))))
            parents[other] = one
    return np.unique([root(row) for row in range(len(keys))], return_inverse=True)[1]


def some_of(names: Sequence[str]) -> str:
    """A few of many names, for a message."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} others" if more > 0 else "")
