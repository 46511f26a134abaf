"""The rectified-flow path: straight lines from data (sigma 0) to noise (sigma 1).

Liu et al. 2022, "Flow Straight and Fast", equation 1, with sigma running from data to noise; and
how training draws the sigma of each clip.
"""

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from audiogen_jax.types import Latents


def interpolate(data: Latents, noise: Latents, sigma: Float[Array, " b"]) -> Latents:
    """x = (1 - sigma) data + sigma noise.

    Args:
      data: clean latents.
      noise: standard normal noise.
      sigma: noise level of each clip, in [0, 1].
    """
    sigma = sigma[:, None, None]
    return (1 - sigma) * data + sigma * noise


def velocity_target(data: Latents, noise: Latents) -> Latents:
    """d x / d sigma = noise - data, the same at every sigma."""
    return noise - data


def uniform(key: PRNGKeyArray, batch: int) -> Float[Array, " {batch}"]:
    """Every noise level equally often (Liu et al. 2022)."""
    return jax.random.uniform(key, (batch,))


def logit_normal(
    key: PRNGKeyArray, batch: int, mean: float = 0.0, std: float = 1.0
) -> Float[Array, " {batch}"]:
    """The sigmoid of a normal: more of the middle (Esser et al. 2024, section 3.1).

    Args:
      key: random key.
      batch: how many.
      mean: of the normal; positive moves towards noise.
      std: of the normal.

    Returns:
      Noise levels in (0, 1).
    """
    return jax.nn.sigmoid(mean + std * jax.random.normal(key, (batch,)))
