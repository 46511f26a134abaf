"""Gives every latent channel unit variance by an exact change of a trained tokenizer's parameters.

The two taps of the upsampler share one bias, so a scale can be folded into it exactly but a shift
cannot: the mean of each channel is held at zero while the injection trains (tokenizer_step.py).
"""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer, latent_length
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.types import Params


class LatentMoments(NamedTuple):
    """Mean and standard deviation of each latent channel."""

    mean: Float[Array, " c"]
    std: Float[Array, " c"]


def measure_latents(
    model: DashengTokenizer, params: Params, batches: Iterable[dict]
) -> LatentMoments:
    """Moments of the latents over the valid frames of some batches.

    Args:
      model: the tokenizer.
      params: its parameters.
      batches: dicts with "audio" [b n 1] and "lengths" [b] in samples.

    Raises:
      ValueError: there is no batch.
    """

    @jax.jit
    def moments(params: Params, audio: Array, lengths: Array) -> tuple[Array, Array, Array]:
        latents: Array = model.apply({"params": params}, audio, lengths, method="encode")  # pyright: ignore
        valid = length_mask(latent_length(lengths), latents.shape[1])[..., None]
        latents = jnp.where(valid, latents, 0)
        return valid.sum(), latents.sum((0, 1)), jnp.square(latents).sum((0, 1))

    rows = [
        [
            np.asarray(x, np.float64)
            for x in moments(params, batch["audio"][..., 0], batch["lengths"])
        ]
        for batch in batches
    ]
    if not rows:
        raise ValueError("latent moments need at least one batch (statistics_batches >= 1)")
    count, total, squares = (sum(values) for values in zip(*rows, strict=True))
    mean = total / count
    std = np.sqrt(squares / count - mean**2)
    return LatentMoments(jnp.asarray(mean, jnp.float32), jnp.asarray(std, jnp.float32))


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
