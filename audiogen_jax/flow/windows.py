"""Clips longer than the model was trained for: overlapping windows blended in the latent."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, PyTree

from audiogen_jax.types import FrameMask, Latents, VelocityFn


def window_starts(length: int, window: int) -> Int[np.ndarray, " w"]:
    """First frames of windows that cover a clip, each overlapping the next by at least half.

    Args:
      length: latent frames of the clip.
      window: latent frames of a window, below `length`.
    """
    hop = window // 2
    count = -(-(length - window) // hop) + 1
    return np.rint(np.linspace(0, length - window, count)).astype(np.int32)


def in_windows(
    velocity_of: Callable[[FrameMask], VelocityFn], mask: FrameMask, window: int
) -> VelocityFn:
    """The velocity of a whole clip from velocities of windows of it.

    At every step each window's velocity is found by itself and frames in several windows take
    their mean, weighted by the distance to the window's edge, so that all windows grow into one
    another from the first step on (MultiDiffusion, Bar-Tal et al. 2023, equation 5).

    Args:
      velocity_of: validity of frames -> velocity of that many frames.
      mask: True at the valid frames of every clip.
      window: latent frames of a window. Clips that fit in one are left to `velocity_of`.
    """
    length = mask.shape[1]
    if length <= window:
        return velocity_of(mask)
    starts = window_starts(length, window)
    ramp = np.minimum(np.arange(window), np.arange(window)[::-1]) + 1.0
    weights = np.zeros((len(starts), length), np.float32)
    for index, start in enumerate(starts):
        weights[index, start : start + window] = ramp
    weights /= weights.sum(axis=0)

    def velocity(x: Latents, level: PyTree) -> Latents:
        def add(total: Latents, xs: tuple) -> tuple[Latents, None]:
            start, weight = xs
            inside = jax.lax.dynamic_slice_in_dim(x, start, window, axis=1)
            valid = jax.lax.dynamic_slice_in_dim(mask, start, window, axis=1)
            predicted = velocity_of(valid)(inside, level).astype(jnp.float32)
            # Beside the window its weight is 0: what stands there does not matter.
            padded = jax.lax.dynamic_update_slice_in_dim(jnp.zeros_like(total), predicted, start, 1)
            return total + weight[:, None] * padded, None

        per_window = (jnp.asarray(starts), jnp.asarray(weights))
        return jax.lax.scan(add, jnp.zeros_like(x, jnp.float32), per_window)[0]

    return velocity
