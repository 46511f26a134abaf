"""Gives every latent channel unit variance by an exact change of a trained tokenizer's parameters.

The two taps of the upsampler share one bias, so a scale can be folded into it exactly but a shift
cannot: the mean of each channel is held at zero while the injection trains (tokenizer_gan.py).
"""

from collections.abc import Iterable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer, latent_length
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.train.batches import AudioBatch
from audiogen_jax.train.statistics import mean_and_variance
from audiogen_jax.types import Params


class LatentMoments(NamedTuple):
    """Mean and standard deviation of each latent channel."""

    mean: Float[Array, " c"]
    std: Float[Array, " c"]


def measure_latents(
    model: DashengTokenizer, params: Params, batches: Iterable[AudioBatch]
) -> LatentMoments:
    """Moments of the latents over the valid frames of some batches.

    Args:
      model: the tokenizer.
      params: its parameters.
      batches: what to measure on.

    Raises:
      ValueError: there is no batch.
    """

    def latents(params: Params, batch: AudioBatch) -> tuple[Array, Array]:
        lengths = jnp.asarray(batch.lengths)
        values: Array = model.apply({"params": params}, batch.mono, lengths, method="encode")  # pyright: ignore
        return values, length_mask(latent_length(lengths), values.shape[1])

    mean, variance = mean_and_variance(latents, params, batches)
    return LatentMoments(
        jnp.asarray(mean, jnp.float32), jnp.asarray(np.sqrt(variance), jnp.float32)
    )


def fold_latent_scale(params: Params, std: Float[Array, " c"]) -> Params:
    """Divides the latents by `std` and lets the upsampler multiply by it: the same audio.

    Args:
      params: tokenizer parameters.
      std: standard deviation of each latent channel, positive.

    Returns:
      Parameters whose latents have unit variance.

    Raises:
      ValueError: a channel is constant.
    """
    if not bool(jnp.all(std > 0)):
        dead = np.flatnonzero(~(np.asarray(std) > 0)).tolist()
        raise ValueError(f"latent channels {dead} are constant: they have no scale to fold")

    def divided(norm: Params) -> Params:
        return {name: value / std for name, value in norm.items()}

    encoder, injection = params["audio_encoder"], params["acoustic_injection"]
    upsampler = params["upsampler"]
    return {
        **params,
        "audio_encoder": {**encoder, "norm": divided(encoder["norm"])},
        "acoustic_injection": {**injection, "norm": divided(injection["norm"])},
        "upsampler": {**upsampler, "kernel": upsampler["kernel"] * std[:, None, None]},
    }
