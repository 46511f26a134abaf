"""Channels and sample rates between recordings, codecs and embedders."""

import numpy as np
import soxr
from jaxtyping import Float

RESAMPLER = "soxr VHQ"
"""As recordings are read with."""


def to_mono(audio: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, " n"]:
    """The mean of all channels, as metrics and judges of one channel hear a clip.

    Args:
      audio: float [n], or [n a].
    """
    return audio if audio.ndim == 1 else audio.mean(axis=1)


def to_channels(samples: Float[np.ndarray, " n"], channels: int) -> Float[np.ndarray, "n ..."]:
    """The same sound in every channel: float [n] for one, else [n a]."""
    return samples if channels == 1 else np.repeat(samples[:, None], channels, axis=1)


def resample(
    samples: Float[np.ndarray, " n"], sample_rate: int, target_rate: int
) -> Float[np.ndarray, " m"]:
    """Mono audio at another rate (Hz); as it is where both are the same."""
    if sample_rate == target_rate:
        return samples
    return soxr.resample(np.asarray(samples, np.float32), sample_rate, target_rate, quality="VHQ")
