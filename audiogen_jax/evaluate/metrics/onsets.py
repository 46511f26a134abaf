"""When the sound of a clip begins, and how often that is when it should."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

TOLERANCE = 0.2
"""Seconds between two times that count as the same."""
FRAME_SECONDS = 0.01
BELOW_PEAK_DB = 20.0
"""A frame sounds if its energy is so near that of the loudest one."""
LASTING = 3
"""Frames that sound one after another: a click does not begin anything."""


def energy_onset(samples: Float[np.ndarray, " n"], sample_rate: int) -> float | None:
    """The first moment at which a clip is within 20 dB of its loudest one, in seconds.

    For one sound on silence; beside others it finds whichever comes first.

    Args:
      samples: float [n].
      sample_rate: Hz.

    Returns:
      Seconds, None of a silent clip.
    """
    size = max(1, round(FRAME_SECONDS * sample_rate))
    count = len(samples) // size
    energy = np.square(samples[: count * size].reshape(count, size), dtype=np.float64).mean(axis=1)
    if not energy.any():
        return None
    sounds = energy >= energy.max() * 10 ** (-BELOW_PEAK_DB / 10)
    lasting = np.convolve(sounds, np.ones(LASTING), "valid") == LASTING
    frames = np.flatnonzero(lasting if lasting.any() else sounds)
    return float(frames[0] * size / sample_rate)


def in_time(onsets: Sequence[float | None], asked: Sequence[float]) -> list[bool]:
    """Whether each onset is there and within `TOLERANCE` of the time asked for."""
    return [
        onset is not None and abs(onset - time) <= TOLERANCE
        for onset, time in zip(onsets, asked, strict=True)
    ]


def in_time_by_chance(asked: float, latest: float) -> float:
    """How probable a time drawn from 0 to `latest` seconds is in time."""
    if latest <= 0:
        return 1.0
    return (min(asked + TOLERANCE, latest) - max(asked - TOLERANCE, 0.0)) / latest
