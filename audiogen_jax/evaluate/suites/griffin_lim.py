"""The baseline without a trained decoder: mel values at the latent's budget, then Griffin-Lim."""

import librosa
import numpy as np
from jaxtyping import Float

FRAME_RATE = 50
ITERATIONS = 64


def griffin_lim(
    samples: Float[np.ndarray, " n"], sample_rate: int, values_per_second: int
) -> Float[np.ndarray, " n"]:
    """Rebuilds audio from as many mel values per second as a latent has.

    Mel magnitudes at 50 frames per second, inverted by non-negative least squares and 64 iterations
    of fast Griffin-Lim (Perraudin et al. 2013).

    Args:
      samples: float [n].
      sample_rate: Hz.
      values_per_second: the budget.

    Returns:
      Float [n].
    """
    hop = sample_rate // FRAME_RATE
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=sample_rate,
        n_fft=1024,
        hop_length=hop,
        n_mels=mel_bands(values_per_second),
        power=1.0,
    )
    magnitude = librosa.feature.inverse.mel_to_stft(mel, sr=sample_rate, n_fft=1024, power=1.0)
    rebuilt = librosa.griffinlim(
        magnitude, n_iter=ITERATIONS, hop_length=hop, length=len(samples), random_state=0
    )
    return np.asarray(rebuilt, np.float32)


def mel_bands(values_per_second: int) -> int:
    """Bands that make so many values at 50 frames per second."""
    return values_per_second // FRAME_RATE
