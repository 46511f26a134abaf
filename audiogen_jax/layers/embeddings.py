"""Embeddings of diffusion time and of relative positions."""

import math

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float, Int

from audiogen_jax.types import ModuleDTypes

TIME_FEATURES = 256


def time_features(
    timestep: Float[Array, " b"], width: int = TIME_FEATURES, max_period: float = 10000.0
) -> Float[Array, "b width"]:
    """[cos | sin] of timestep * max_period^(-i / (width / 2)), in float32 (Ho et al. 2020).

    Args:
      timestep: per clip, 0 .. 1000.
      width: number of features, even.
      max_period: longest wavelength, over 2 pi.
    """
    half = width // 2
    exponents = jnp.arange(half, dtype=jnp.float32) / half
    frequencies = jnp.exp(-math.log(max_period) * exponents)
    angles = timestep.astype(jnp.float32)[:, None] * frequencies
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)


class TimeEmbedding(nn.Module):
    """Time features through Linear, SiLU, Linear; `kernel_init` is that of the last."""

    features: int
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, timestep: Float[Array, " b"]) -> Float[Array, "b d"]:
        """Embeds a timestep in 0 .. 1000, before the SiLU of its users."""
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        hidden = nn.silu(nn.Dense(self.features, name="fc1", **dtypes)(time_features(timestep)))
        return nn.Dense(self.features, kernel_init=self.kernel_init, name="fc2", **dtypes)(hidden)


def relative_position_buckets(
    length: int, num_buckets: int, max_distance: int
) -> Int[np.ndarray, "l l"]:
    """Buckets of key position minus query position, bidirectional (Raffel et al. 2020, 2.1).

    Half the buckets for each direction; within it the first half holds one distance each, the
    rest grow with the logarithm up to `max_distance`, beyond which all share the last.

    Returns:
      Int [query, key], a constant of the program.
    """
    positions = np.arange(length)
    relative = positions[None, :] - positions[:, None]
    per_direction = num_buckets // 2
    exact = per_direction // 2
    distance = np.abs(relative)
    # float32 like the checkpoints' training: distances on a bucket's edge depend on it.
    ratio = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(exact))
    ratio = ratio / np.float32(math.log(max_distance / exact))
    far = exact + (ratio * np.float32(per_direction - exact)).astype(np.int32)
    bucket = np.where(distance < exact, distance, np.minimum(far, per_direction - 1))
    return np.where(relative > 0, bucket + per_direction, bucket).astype(np.int32)


class RelativePositionBias(nn.Module):
    """Learned attention bias per head and bucket of relative position (T5)."""

    num_heads: int
    num_buckets: int
    max_distance: int
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, length: int) -> Float[Array, "h l l"]:
        """The bias of every query position against every key position."""
        table = self.param(
            "embedding",
            nn.initializers.normal(0.02),
            (self.num_buckets, self.num_heads),
            self.param_dtype,
        )
        buckets = relative_position_buckets(length, self.num_buckets, self.max_distance)
        return jnp.take(table, buckets, axis=0).transpose(2, 0, 1)
