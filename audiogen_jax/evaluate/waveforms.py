"""Channels and sample rates between recordings, codecs and embedders."""

from collections.abc import Sequence

import numpy as np
import soxr
from jaxtyping import Float, Float32

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


def clips_at(
    target_rate: int, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
) -> list[Float32[np.ndarray, " m"]]:
    """Clips as a network of one rate hears them, each by itself.

    Args:
      target_rate: of the network, Hz.
      clips: mono, float [n] each, in about [-1, 1].
      sample_rate: of the clips, Hz.

    Raises:
      ValueError: there are no clips, or one has channels, no samples, integers, NaN or infinity.
    """
    if sample_rate < 1:
        raise ValueError(f"sample_rate={sample_rate} of the clips: expected Hz")
    if not len(clips):
        raise ValueError("no clips to listen to")
    heard = []
    for number, clip in enumerate(clips):
        samples = np.asarray(clip)
        if samples.ndim != 1 or not len(samples) or not np.issubdtype(samples.dtype, np.floating):
            raise ValueError(
                f"clip {number} is {samples.dtype}{list(samples.shape)}: expected mono samples as "
                "floats in [-1, 1]"
            )
        if not np.isfinite(samples).all():
            raise ValueError(f"clip {number} holds NaN or infinite samples")
        heard.append(resample(samples.astype(np.float32), sample_rate, target_rate))
    return heard
