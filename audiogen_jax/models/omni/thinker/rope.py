"""Rotary positions of text, sound and pictures (https://arxiv.org/abs/2503.20215, section 2.2)."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from audiogen_jax.ops.rope import inverse_frequencies


def multimodal_angles(
    positions: Int[Array, "3 b t"], sections: Sequence[int], base: float
) -> Float[Array, "b t half"]:
    """Angles of a text head: each frequency turns with time, height or width.

    Args:
      positions: of every token in time, height and width.
      sections: frequencies for each of the three, the fastest first.
      base: wavelength base.
    """
    axis = np.repeat(np.arange(3), sections)
    frequencies = inverse_frequencies(2 * len(axis), base)
    return jnp.moveaxis(positions.astype(jnp.float32)[axis], 0, -1) * frequencies


def plane_angles(places: Int[Array, "p 2"], head_dim: int) -> Float[Array, "p half"]:
    """Angles of a vision head: the first half of the pairs turns with the row, the rest with the
    column of a patch.

    Args:
      places: row and column of every patch.
      head_dim: width of a head.
    """
    frequencies = inverse_frequencies(head_dim // 2)
    angles = places.astype(jnp.float32)[:, :, None] * frequencies
    return angles.reshape(len(places), head_dim // 2)
