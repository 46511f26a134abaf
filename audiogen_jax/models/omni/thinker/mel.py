"""Log-mel features of sound as the audio tower reads them (https://arxiv.org/abs/2212.04356, 2.2).

In numpy, once per clip and before its length is known to any program.
"""

import functools

import librosa
import numpy as np
from jaxtyping import Float, Float32

SAMPLE_RATE = 16000
N_FFT = 400
HOP = 160
_BLOCK = 4096


def log_mel(samples: Float[np.ndarray, " n"], n_mels: int = 128) -> Float32[np.ndarray, "t f"]:
    """Logarithms of mel powers, at most 8 decades below the loudest, moved to about [-1, 1].

    Args:
      samples: 16 kHz.
      n_mels: mel bins.

    Returns:
      ceil(n / 160) frames; behind the last sample there is silence.

    Raises:
      ValueError: there are no samples, or some are not finite.
    """
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError(f"{len(samples)} samples: expected some, and finite numbers")
    count = -(-len(samples) // HOP)
    frames = count + 2  # windows beyond the last frame still reach samples, perhaps the loudest
    padded = np.zeros(frames * HOP + N_FFT)
    padded[N_FFT // 2 : N_FFT // 2 + len(samples)] = samples
    padded[: N_FFT // 2] = padded[N_FFT : N_FFT // 2 : -1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP][:frames]
    mel = np.empty((frames, n_mels))
    for first in range(0, frames, _BLOCK):
        spectrum = np.fft.rfft(windows[first : first + _BLOCK] * _hann())
        mel[first : first + _BLOCK] = (spectrum.real**2 + spectrum.imag**2) @ _filters(n_mels).T
    decades = np.log10(np.maximum(mel, 1e-10))
    decades = np.maximum(decades, decades.max() - 8)[:count]
    return ((decades + 4) / 4).astype(np.float32)


@functools.cache
def _hann() -> Float[np.ndarray, " 400"]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)


@functools.cache
def _filters(n_mels: int) -> Float[np.ndarray, "f 201"]:
    """Triangles of unit area on Slaney's scale, 0 to 8 kHz."""
    return librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=n_mels, dtype=np.float64)
