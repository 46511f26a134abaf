"""Log-spectral distance."""

import librosa
import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.metrics.inputs import signals

WINDOW, HOP = 2048, 512
FLOOR = 1e-8
"""Of a power, so that silence has a level."""


def log_spectral_distance(
    reference: Float[np.ndarray, " n"], estimate: Float[np.ndarray, " n"]
) -> float:
    """LSD in dB (Gray & Markel 1976): over frames, the mean of the RMS distance of log spectra.

    Args:
      reference: float [n].
      estimate: float [n].

    Raises:
      ValueError: signals of different lengths, or not finite.
    """
    levels = []
    for signal in signals(reference, estimate):
        padded = np.pad(signal, (0, max(0, WINDOW - len(signal))))
        power = np.abs(librosa.stft(padded, n_fft=WINDOW, hop_length=HOP)) ** 2
        levels.append(10 * np.log10(np.maximum(power, FLOOR)))
    return float(np.sqrt(np.square(levels[0] - levels[1]).mean(axis=0)).mean())
