"""Validity masks over time."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int


def length_mask(lengths: Int[Array | np.ndarray, " b"], size: int) -> Bool[Array, "b {size}"]:
    """True at the positions below each length.

    Args:
      lengths: valid positions of each clip.
      size: number of positions.
    """
    return jnp.arange(size)[None, :] < lengths[:, None]
