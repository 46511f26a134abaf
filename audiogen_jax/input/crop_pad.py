"""Windows of clips: where to cut, and zero padding to a fixed length."""

import numpy as np
from jaxtyping import Float32

CROPS = ("loud", "random", "start")
CANDIDATES = 8
"""Random windows among which "loud" chooses."""
FRAME = 160
"""Samples per energy frame (10 ms at 16 kHz)."""


def crop_window(
    samples: Float32[np.ndarray, "n a"], length: int, crop: str, rng: np.random.Generator
) -> Float32[np.ndarray, "m a"]:
    """Cuts a window of at most `length` samples.

    Args:
      samples: a clip that is not silent throughout.
      length: samples of the window; a shorter clip is returned whole.
      crop: "start"; "random" (uniform); or "loud": one of `CANDIDATES` random windows and one
        around the loudest frame, with probability proportional to energy. A uniform window of a
        recording of one dog bark is silence more often than not.
      rng: drawn from by "random" and "loud".
    """
    start = window_start(samples, length, crop, rng)
    return samples[start : start + length]


def window_start(
    samples: Float32[np.ndarray, "n a"], length: int, crop: str, rng: np.random.Generator
) -> int:
    """The sample with which the window of `crop_window` begins."""
    surplus = len(samples) - length
    if surplus <= 0 or crop == "start":
        return 0
    if crop == "random":
        return int(rng.integers(surplus + 1))
    padded = np.pad(samples, ((0, -len(samples) % FRAME), (0, 0)))
    frames = padded.reshape(-1, FRAME * samples.shape[1])
    energy = np.square(frames).sum(axis=1, dtype=np.float64)
    loudest = int(energy.argmax()) * FRAME
    latest = min(surplus, loudest)
    around = rng.integers(min(max(0, loudest + FRAME - length), latest), latest + 1)
    starts = np.append(rng.integers(surplus + 1, size=CANDIDATES), around)
    # A window weighs the frames it touches, so no window with sound in it weighs zero.
    before = np.concatenate([[0.0], np.cumsum(energy)])
    weights = before[-(-(starts + length) // FRAME)] - before[starts // FRAME]
    return int(rng.choice(starts, p=weights / weights.sum()))


def pad_to(
    samples: Float32[np.ndarray, "m a"], length: int, gain_db: float = 0.0
) -> Float32[np.ndarray, "n a"]:
    """Scales a clip and pads it with zeros to `length` samples.

    Args:
      samples: at most `length` of them.
      length: samples of the result.
      gain_db: of the scale, lowered where it would raise the peak above 1.
    """
    gain = 10.0 ** (gain_db / 20.0)
    if gain_db > 0.0 and (peak := float(np.abs(samples).max(initial=0.0))):
        gain = min(gain, max(1.0, 1.0 / peak))
    padded = np.zeros((length, samples.shape[1]), np.float32)
    padded[: len(samples)] = samples * np.float32(gain)
    return padded
