"""Rotary position embedding, Su et al. 2021 (RoFormer), equation 34, half-split pairing."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

ROPE_BASE = 10000.0


def inverse_frequencies(head_dim: int, base: float = ROPE_BASE) -> Float[np.ndarray, " half"]:
    """base^(-2i / head_dim) for i in 0 .. head_dim / 2 - 1, radians per position."""
    # Rounded to float32 after every operation: checkpoints store these very bits.
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    return np.float32(1.0) / (base ** exponents.astype(np.float64)).astype(np.float32)


def apply_rope(
    x: Float[Array, "b t h k"], base: float = ROPE_BASE, dims: int | None = None
) -> Float[Array, "b t h k"]:
    """Rotates the pairs (i, i + dims/2) by their position's angle, positions counted from 0.

    Angles and the rotation are float32; the result has the dtype of `x`.

    Args:
      x: queries or keys with an even head dim.
      base: wavelength base.
      dims: first ones of a head that are rotated, an even number; all if None.
    """
    dims = dims or x.shape[-1]
    positions = jnp.arange(x.shape[1], dtype=jnp.float32)
    angles = positions[:, None] * inverse_frequencies(dims, base)
    return jnp.concatenate([rotate(x[..., :dims], angles[None]), x[..., dims:]], axis=-1)


def rotate(
    x: Float[Array, "b t h k"], angles: Float[Array, "#b t half"]
) -> Float[Array, "b t h k"]:
    """Rotates the pairs (i, i + k/2) by the angles of their positions, in float32.

    Args:
      x: queries or keys with an even head dim.
      angles: of every pair, float32; the same for all heads.
    """
    cos, sin = jnp.cos(angles)[:, :, None, :], jnp.sin(angles)[:, :, None, :]
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    rotated = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return rotated.astype(x.dtype)
