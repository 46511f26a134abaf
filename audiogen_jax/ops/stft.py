"""Short-time Fourier transform with centred, reflecting edges (fp32, periodic Hann window)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int


def hann_window(length: int) -> Float[np.ndarray, " {length}"]:
    """The periodic Hann window, 0.5 - 0.5 cos(2 pi n / length)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


def reflect_pad(
    audio: Float[Array, "b n"], pad: int, lengths: Int[Array, " b"] | None = None
) -> Float[Array, "b n+2*{pad}"]:
    """Mirrors each clip about its own first and last sample.

    Args:
      audio: samples; whatever stands past `lengths` is never read.
      pad: samples added on each side; every clip must be longer than this.
      lengths: valid samples of each clip; None means all.

    Returns:
      The padded clips, zero where a shorter clip's own padding has ended.
    """
    if audio.shape[1] <= pad:
        raise ValueError(
            f"audio of {audio.shape[1]} samples is too short to analyse: more than {pad} samples "
            "are needed to mirror its edges; pad or concatenate the clip"
        )
    if lengths is None:
        return jnp.pad(audio, ((0, 0), (pad, pad)), mode="reflect")
    position = jnp.arange(-pad, audio.shape[1] + pad)[None, :]
    last = lengths[:, None] - 1
    index = jnp.abs(position)
    index = jnp.where(index > last, 2 * last - index, index)
    padded = jnp.take_along_axis(audio, jnp.clip(index, 0, jnp.maximum(last, 0)), axis=1)
    return jnp.where(position <= last + pad, padded, 0.0)


def frame(audio: Float[Array, "b n"], length: int, hop: int) -> Float[Array, "b t {length}"]:
    """Cuts overlapping frames; samples after the last whole frame are dropped."""
    count = (audio.shape[1] - length) // hop + 1
    return audio[:, np.arange(count)[:, None] * hop + np.arange(length)[None, :]]


def stft(
    audio: Float[Array, "b n"],
    n_fft: int,
    hop: int,
    lengths: Int[Array, " b"] | None = None,
) -> Complex[Array, "b t {n_fft}//2+1"]:
    """Centred STFT: frame i is centred on sample i * hop.

    Args:
      audio: samples.
      n_fft: window and transform length in samples.
      hop: distance between frames in samples.
      lengths: valid samples of each clip, so that its edge is mirrored where it ends.

    Returns:
      n // hop + 1 frames of n_fft // 2 + 1 bins.

    Raises:
      ValueError: the audio is no longer than n_fft // 2 samples.
    """
    padded = reflect_pad(audio.astype(jnp.float32), n_fft // 2, lengths)
    return jnp.fft.rfft(frame(padded, n_fft, hop) * hann_window(n_fft), axis=-1)
