"""Velocities under several conditions combined into one: classifier-free guidance and per view."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from audiogen_jax.types import Latents, VelocityFn


def guidance_weights(scale: float, removed: Sequence[float] = ()) -> list[float]:
    """Weights of [without text, with all of it, and with one view removed each], summing to 1.

    Without views it is Ho and Salimans 2022, equation 6: u + scale (c - u). A view k with a scale
    of its own adds (scale_k - scale) (c - c without k), after the composition of Liu et al. 2022
    (https://arxiv.org/abs/2206.01714): at scale_k = scale nothing changes, below it the view
    counts less.

    Args:
      scale: guidance scale of the whole prompt.
      removed: the scales of the views that have one.
    """
    extra = [own - scale for own in removed]
    return [1.0 - scale, scale + sum(extra), *(-one for one in extra)]


def guide(
    velocity_fn: VelocityFn,
    weights: Float[Array, " k"],
    *,
    within: Callable[[Any], Bool[Array, ""]] | None = None,
    otherwise: VelocityFn | None = None,
) -> VelocityFn:
    """The weighted sum of the velocities under k conditions.

    Args:
      velocity_fn: over k times the batch, one condition after the other.
      weights: of the conditions.
      within: level -> is guidance on? Guidance in an interval of noise levels, Kynkäänniemi et al.
        2024 (https://arxiv.org/abs/2404.07724).
      otherwise: the velocity where it is off.

    Returns:
      The velocity over the single batch.
    """
    count = len(weights)

    def guided(x: Latents, level: Any) -> Latents:
        velocities = velocity_fn(jnp.tile(x, (count, 1, 1)), level)
        split = velocities.reshape(count, *x.shape).astype(jnp.float32)
        return jnp.einsum("k,kbtc->btc", weights, split, precision="highest")

    if within is None or otherwise is None:
        return guided
    return lambda x, level: jax.lax.cond(within(level), guided, otherwise, x, level)
