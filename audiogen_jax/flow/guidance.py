"""Classifier-free guidance, Ho and Salimans 2022, equation 6."""

import jax.numpy as jnp

from audiogen_jax.types import VelocityFn


def guide(velocity_fn: VelocityFn, scale: float) -> VelocityFn:
    """Extrapolates from the unconditional velocity past the conditional one.

    At scale 1 the result is the conditional velocity: call the conditional model by itself then,
    at half the cost.

    Args:
      velocity_fn: over a doubled batch, unconditional clips first, conditional ones second.
      scale: guidance scale.

    Returns:
      u + scale (c - u), over the single batch.
    """

    def guided(x, sigma):
        both = velocity_fn(jnp.concatenate([x, x]), jnp.concatenate([sigma, sigma]))
        unconditional, conditional = jnp.split(both, 2)
        return unconditional + scale * (conditional - unconditional)

    return guided
