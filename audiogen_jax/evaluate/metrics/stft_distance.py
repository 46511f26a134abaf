"""Distance of two waveforms on spectrograms of several resolutions."""

from typing import NamedTuple

import librosa
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from audiogen_jax.evaluate.metrics.inputs import signals

RESOLUTIONS = ((1024, 600, 120), (2048, 1200, 240), (512, 240, 50))
"""Points of the transform, window and hop in samples (Yamamoto et al. 2020, table 1)."""
FLOOR = 1e-7
"""Of a power, so that silence has a logarithm; as the authors' code has it."""


class StftDistance(NamedTuple):
    """Means over the resolutions.

    Attributes:
      convergence: | |X| - |Y| | / | |X| | in Frobenius norms; 0 for equal signals.
      log_magnitude: mean absolute difference of natural-log magnitudes, in nepers.
    """

    convergence: float
    log_magnitude: float

    @property
    def total(self) -> float:
        """Their sum, the loss of Parallel WaveGAN."""
        return self.convergence + self.log_magnitude


def stft_distance(reference: ArrayLike, estimate: ArrayLike) -> StftDistance:
    """Multi-resolution STFT distance (Yamamoto et al. 2020, arXiv:1910.11480, eq. 3 to 6).

    Hann windows in the middle of each transform, frames centred on every hop, ends reflected.

    Args:
      reference: [n], not silent.
      estimate: [n].

    Raises:
      ValueError: different lengths, NaN, no more than 1024 samples, or a reference below the
        floor, beside which the convergence is not defined.
    """
    x, y = signals(reference, estimate)
    shortest = max(size for size, _, _ in RESOLUTIONS) // 2
    if len(x) <= shortest:
        raise ValueError(f"signals of {len(x)} samples: expected more than {shortest}")
    distances = []
    for resolution in RESOLUTIONS:
        a, b = magnitudes(x, *resolution), magnitudes(y, *resolution)
        if a.max() <= np.sqrt(FLOOR):
            raise ValueError("the reference is silent: the spectral convergence is not defined")
        convergence = np.linalg.norm(a - b) / np.linalg.norm(a)
        distances.append((convergence, np.abs(np.log(a) - np.log(b)).mean()))
    return StftDistance(*np.mean(distances, axis=0).tolist())


def magnitudes(
    signal: Float[np.ndarray, " n"], size: int, window: int, hop: int
) -> Float[np.ndarray, "f t"]:
    """Floored magnitudes of the STFT, frames at 0, hop, 2 hop ... as their middles."""
    spectrum = librosa.stft(
        signal, n_fft=size, hop_length=hop, win_length=window, pad_mode="reflect"
    )
    return np.sqrt(np.maximum(np.abs(spectrum) ** 2, FLOOR))
