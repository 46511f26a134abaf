"""The rectified-flow path: straight lines from data (time 0) to noise (time 1).

Liu et al. 2022, "Flow Straight and Fast", equation 1, with time running from data to noise.
"""

from jaxtyping import Array, Float

from audiogen_jax.types import Latents


def interpolate(data: Latents, noise: Latents, time: Float[Array, " b"]) -> Latents:
    """x_t = (1 - t) data + t noise.

    Args:
      data: clean latents.
      noise: standard normal noise.
      time: per clip, in [0, 1].
    """
    time = time[:, None, None]
    return (1 - time) * data + time * noise


def velocity_target(data: Latents, noise: Latents) -> Latents:
    """d x_t / d t = noise - data, the same at every time."""
    return noise - data
