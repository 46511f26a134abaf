"""The baseline without a trained decoder: mel values at the latent's budget, then Griffin-Lim."""

import librosa
import numpy as np
from jaxtyping import Float

from audiogen_jax.models.dasheng.config import TokenizerConfig

FRAME_RATE = 50
ITERATIONS = 64


def griffin_lim(
    samples: Float[np.ndarray, " n"], config: TokenizerConfig
) -> Float[np.ndarray, " n"]:
    """Rebuilds audio from as many mel values per second as the latent has channels.

    Mel magnitudes at 50 frames per second, 25 x `embed_dim` values per second in all; inverted by
    non-negative least squares and 64 iterations of fast Griffin-Lim (Perraudin et al. 2013).

    Args:
      samples: float [n].
      config: the tokenizer whose budget is matched.

    Returns:
      Float [n].
    """
    rate = config.SAMPLE_RATE
    n_mels = mel_bands(config)
    hop = rate // FRAME_RATE
    mel = librosa.feature.melspectrogram(
        y=samples, sr=rate, n_fft=1024, hop_length=hop, n_mels=n_mels, power=1.0
    )
    magnitude = librosa.feature.inverse.mel_to_stft(mel, sr=rate, n_fft=1024, power=1.0)
    rebuilt = librosa.griffinlim(
        magnitude, n_iter=ITERATIONS, hop_length=hop, length=len(samples), random_state=0
    )
    return np.asarray(rebuilt, np.float32)


def mel_bands(config: TokenizerConfig) -> int:
    """Bands at 50 frames per second that make the latent's values per second."""
    return config.embed_dim * config.SAMPLE_RATE // config.samples_per_latent // FRAME_RATE
