"""The rectified-flow path: straight lines from data (sigma 0) to noise (sigma 1).

Liu et al. 2022, "Flow Straight and Fast", equation 1, with sigma running from data to noise; and
how training draws the sigma of each clip.
"""

import math
from typing import TypeVar

import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from audiogen_jax.types import Latents

Levels = TypeVar("Levels", jax.Array, np.ndarray)


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


def shift_levels(sigma: Levels, shift: float) -> Levels:
    """Noise levels moved towards noise (shift a > 1): a s / (1 + (a - 1) s).

    The more numbers a clip has, the more noise it takes to hide it: equal levels of two resolutions
    differ by a factor a of noise over data (Esser et al. 2024, https://arxiv.org/abs/2403.03206,
    equation 23). In logits it adds ln(a).

    Args:
      sigma: in [0, 1]; 0 and 1 stay.
      shift: a, above 0.
    """
    return sigma / (sigma + (1 - sigma) / shift)  # in this form 1 stays 1 to the bit


def shift_of_size(frames: int, channels: int) -> float:
    """The shift for such latents of Zheng et al. 2025 (RAE, https://arxiv.org/abs/2510.11690).

    sqrt(frames x channels / 4096): 8.8 for 10 s of DashengTokenizer (248 x 1280).
    """
    return math.sqrt(frames * channels / 4096)


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
