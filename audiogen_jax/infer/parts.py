"""A long recording in overlapping parts, and results of the parts as one recording again."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from audiogen_jax.models.prompting import Sound

OVERLAP = 0.1
"""Of the parts, as a share of each: a second of ten."""


def parts_of(source: Sound, longest: float) -> list[tuple[int, Sound]]:
    """First samples of the parts, and the parts; all but one have the full length, in seconds."""
    rate, count = source.sample_rate, len(source.samples)
    size = int(longest * rate)
    if count <= size:
        return [(0, source)]
    hop = size - int(OVERLAP * size)
    starts = [*range(0, count - size, hop), count - size]
    return [(start, Sound(source.samples[start : start + size], rate)) for start in starts]


def joined(
    pieces: Sequence[Float32[np.ndarray, "_ a"]], starts: Sequence[int], count: int
) -> Float32[np.ndarray, "n a"]:
    """Parts one after the other, each faded into the next where they overlap.

    Args:
      pieces: what became of the parts.
      starts: where they begin.
      count: n.
    """
    audio = np.zeros((count, pieces[0].shape[1]), np.float32)
    end = 0
    for start, piece in zip(starts, pieces, strict=True):
        weight = np.ones(len(piece), np.float32)
        over = end - start
        if over > 0:
            weight[:over] = (np.arange(over) + 0.5) / over
            audio[start:end] *= 1 - weight[:over, None]
        audio[start : start + len(piece)] += weight[:, None] * piece
        end = start + len(piece)
    return audio
