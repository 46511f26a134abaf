"""Inverse STFT with "same" padding, as used by the Vocos head (https://arxiv.org/abs/2306.00814)."""

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from audiogen_jax.ops.stft import hann_window


def overlap_add(frames: Float[Array, "b t w"], hop: int) -> Float[Array, "b n"]:
    """Sums frames placed `hop` samples apart; `hop` must divide the frame length.

    Each frame is cut into w / hop pieces; pieces that share a hop are added by shifting whole
    rows, which needs no scatter.
    """
    b, t, w = frames.shape
    if w % hop:
        raise ValueError(f"hop={hop} must divide the frame length {w}")
    overlap = w // hop
    pieces = frames.reshape(b, t, overlap, hop)
    shifted = [
        jnp.pad(pieces[:, :, i], ((0, 0), (i, overlap - 1 - i), (0, 0))) for i in range(overlap)
    ]
    return sum(shifted[1:], shifted[0]).reshape(b, (t + overlap - 1) * hop)


def istft_same(
    spectrum: Complex[Array, "b t {n_fft}//2+1"], n_fft: int, hop: int
) -> Float[Array, "b t*{hop}"]:
    """Inverse transform of `t` frames to exactly `t * hop` samples.

    Windowed inverse FFTs are overlap-added, (n_fft - hop) / 2 samples are cut from both ends and
    the sum is divided by the equally cut overlap-add of the squared window.

    Args:
      spectrum: one-sided spectra; imaginary parts of the DC and Nyquist bins are ignored.
      n_fft: transform length in samples, a multiple of `hop`.
      hop: distance between frames in samples.
    """
    # Some FFT libraries read the imaginary parts of these two bins: a real signal has none.
    first, last = spectrum[..., :1].real, spectrum[..., -1:].real
    spectrum = jnp.concatenate([first, spectrum[..., 1:-1], last], axis=-1)
    window = hann_window(n_fft)
    frames = jnp.fft.irfft(spectrum, n=n_fft, axis=-1) * window
    envelope = jnp.broadcast_to(window**2, (1, *frames.shape[1:]))
    cut = slice((n_fft - hop) // 2, (n_fft - hop) // 2 + frames.shape[1] * hop)
    return overlap_add(frames, hop)[:, cut] / overlap_add(envelope, hop)[:, cut]
