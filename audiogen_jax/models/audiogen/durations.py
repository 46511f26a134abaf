"""Predicted log durations to latent lengths, on the host.

Rounding decides the length, so it happens in numpy: XLA may fold (n * 0.005) * 25 into n * 0.125,
which rounds 60 frames to 8 instead of 7.
"""

import numpy as np
from jaxtyping import ArrayLike, Int

from audiogen_jax.models.audiogen.config import AudioGenConfig


def global_latent_lengths(log_duration: ArrayLike, config: AudioGenConfig) -> Int[np.ndarray, " b"]:
    """Latent frames of every clip: round((exp(p) - duration_offset) * latent_rate), half to even.

    Args:
      log_duration: float [b], ln(seconds + duration_offset).
      config: the configuration.

    Returns:
      int32 [b]; 0 or less if the model predicts no sound at all.
    """
    offset, rate = np.float32(config.duration_offset), np.float32(config.latent_rate)
    seconds = np.exp(np.asarray(log_duration, np.float32)) - offset
    return np.rint(seconds * rate).astype(np.int32)
