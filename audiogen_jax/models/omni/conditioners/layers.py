"""What all conditioners are made of."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

EPSILON = 1e-6


def rms_norm(x: Float[Array, "b l e"]) -> Float[Array, "b l e"]:
    """x / sqrt(mean(x^2) + epsilon) over the last axis, in float32; nothing in it is learned."""
    wide = x.astype(jnp.float32)
    return wide * jax.lax.rsqrt(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) + EPSILON)


def along_time(dense: nn.Dense, x: Float[Array, "b t e"]) -> Float[Array, "b u e"]:
    """A linear layer along time: each step out sees every step in."""
    return dense(x.swapaxes(1, 2)).swapaxes(1, 2)
