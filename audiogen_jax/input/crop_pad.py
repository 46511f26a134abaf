"""Windows of clips: where to cut, and zero padding to a fixed length."""

import numpy as np
from jaxtyping import Float32, Int16

CROPS = ("loud", "random", "start")
CANDIDATES = 8
"""Random windows among which "loud" chooses."""
FRAME = 160
"""Samples per energy frame (10 ms at 16 kHz)."""


def crop_window(
    samples: Int16[np.ndarray, " n"], length: int, crop: str, rng: np.random.Generator
) -> Int16[np.ndarray, " m"]:
    """Cuts a window of at most `length` samples.

    Args:
      samples: a clip that is not silent throughout.
      length: samples of the window; a shorter clip is returned whole.
      crop: "start"; "random" (uniform); or "loud": one of `CANDIDATES` random windows and one
        around the loudest frame, with probability proportional to energy. A uniform window of a
        recording of one dog bark is silence more often than not.
      rng: drawn from by "random" and "loud".
    """
    surplus = len(samples) - length
    if surplus <= 0 or crop == "start":
        return samples[:length]
    if crop == "random":
        start = int(rng.integers(surplus + 1))
        return samples[start : start + length]
    frames = samples[: len(samples) // FRAME * FRAME].astype(np.float32).reshape(-1, FRAME)
    energy = np.square(frames).sum(axis=1, dtype=np.float64)
    # A window's energy is that of the frames it touches, so no audible window weighs zero.
    before = np.concatenate([[0.0], np.cumsum(energy)])
    loudest = int(energy.argmax()) * FRAME
    around = rng.integers(max(0, loudest + FRAME - length), min(surplus, loudest) + 1)
    starts = np.append(rng.integers(surplus + 1, size=CANDIDATES), around)
    stops = np.minimum(-(-(starts + length) // FRAME), len(energy))
    weights = before[stops] - before[np.minimum(starts // FRAME, stops)]
    start = int(rng.choice(starts, p=weights / weights.sum()))
    return samples[start : start + length]


def to_float(
    samples: Int16[np.ndarray, " m"], length: int, gain_db: float = 0.0
) -> Float32[np.ndarray, " n"]:
    """Scales to float32 in [-1, 1] and pads with zeros to `length` samples.

    Args:
      samples: at most `length` of them.
      length: samples of the result.
      gain_db: gain, lowered where the peak would pass 1.
    """
    peak = max(1, int(np.abs(samples.astype(np.int32)).max(initial=0)))
    gain = min(10.0 ** (gain_db / 20.0), 32768.0 / peak)
    padded = np.zeros(length, np.float32)
    padded[: len(samples)] = samples * np.float32(gain / 32768.0)
    return padded
