"""Mel spectrograms: HTK scale, triangular filters without area normalisation, fp32."""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from audiogen_jax.ops.masks import length_mask
from audiogen_jax.ops.stft import stft


@functools.cache
def mel_filters(
    n_fft: int, n_mels: int, sample_rate: int = 16000
) -> Float[np.ndarray, "{n_fft}//2+1 {n_mels}"]:
    """Triangles between points equally spaced on 2595 log10(1 + hz / 700), 0 Hz to Nyquist."""
    hz = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, n_mels + 2) / 2595) - 1)
    rising = (hz[:, None] - edges[None, :-2]) / np.diff(edges)[None, :-1]
    falling = (edges[None, 2:] - hz[:, None]) / np.diff(edges)[None, 1:]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def mel_spectrogram(
    audio: Float[Array, "b n"],
    *,
    n_fft: int,
    hop: int,
    n_mels: int,
    power: int,
    sample_rate: int = 16000,
    lengths: Int[Array, " b"] | None = None,
) -> Float[Array, "b t f"]:
    """Mel magnitudes (`power=1`) or powers (`power=2`) of n // hop + 1 centred frames.

    Raises:
      ValueError: the audio is no longer than n_fft // 2 samples, or `power` is not 1 or 2.
    """
    if power not in (1, 2):
        raise ValueError(f"power={power}: expected 1 (magnitude) or 2 (power)")
    spectrum = stft(audio, n_fft, hop, lengths)
    energy = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    if power == 1:
        # The tiny offset keeps the gradient of the square root finite in digital silence.
        energy = jnp.sqrt(energy + 1e-20)
    return energy @ mel_filters(n_fft, n_mels, sample_rate)


def mel_decibels(
    audio: Float[Array, "b n"],
    lengths: Int[Array, " b"] | None = None,
    *,
    floor_over_batch: bool = False,
) -> Float[Array, "b t 64"]:
    """Front end of the semantic encoder: 64 mel powers in dB, at most 120 dB below the peak.

    Args:
      audio: 16 kHz samples, more than 256 per clip.
      lengths: valid samples of each clip; None means all.
      floor_over_batch: measure the 120 dB from the loudest frame of the whole batch, as the
        PyTorch release does, instead of from each clip's own.
    """
    mel = mel_spectrogram(audio, n_fft=512, hop=160, n_mels=64, power=2, lengths=lengths)
    decibels = 10 * jnp.log10(jnp.maximum(mel, 1e-10))
    if floor_over_batch:
        return jnp.maximum(decibels, decibels.max() - 120)
    valid = decibels
    if lengths is not None:
        valid = jnp.where(
            length_mask(lengths // 160 + 1, decibels.shape[1])[..., None], decibels, -jnp.inf
        )
    return jnp.maximum(decibels, valid.max(axis=(1, 2), keepdims=True) - 120)


def log_mel(
    audio: Float[Array, "b n"], n_mels: int, lengths: Int[Array, " b"] | None = None
) -> Float[Array, "b t f"]:
    """Front end of the acoustic branch: natural log of mel magnitudes, floored at 1e-7."""
    mel = mel_spectrogram(audio, n_fft=1024, hop=160, n_mels=n_mels, power=1, lengths=lengths)
    return jnp.log(jnp.maximum(mel, 1e-7))
