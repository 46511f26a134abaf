"""Hidden states of the thinker as tokens of the context."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, DTypeLike, Float

from audiogen_jax.models.omni.conditioners.layers import rms_norm
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.types import TokenMask


def pack(
    features: Float[Array, "b l d"], mask: TokenMask, most: int, cut: bool = False
) -> tuple[Float[Array, "b m d"], Bool[Array, "b m"]]:
    """Valid positions moved to the left, and no more than `most` of them.

    Args:
      features: hidden states; what stands at masked positions is not read.
      mask: True at valid positions, anywhere.
      most: tokens; of more, linear interpolation makes so many.
      cut: the first `most` are taken instead.

    Returns:
      min(l, most) tokens, zeros where the mask is False.
    """
    order = jnp.argsort(~mask, axis=1, stable=True)
    counts = jnp.sum(mask, axis=1)
    size = min(features.shape[1], most)
    valid = length_mask(jnp.minimum(counts, most), size)
    steps = jnp.arange(size, dtype=jnp.float32)[None, :]
    if features.shape[1] > most and not cut:
        # Pixel centres of the shorter row on the longer one.
        scale = jnp.maximum(counts, most)[:, None] / most
        steps = jnp.maximum((steps + 0.5) * scale - 0.5, 0)
    low = jnp.broadcast_to(jnp.floor(steps), valid.shape).astype(jnp.int32)
    high = jnp.minimum(low + 1, jnp.maximum(counts - 1, 0)[:, None])

    def at(index: Array) -> Array:
        positions = jnp.take_along_axis(order, index, axis=1)
        return jnp.take_along_axis(features, positions[:, :, None], axis=1)

    weight = (steps - low)[:, :, None].astype(features.dtype)
    packed = at(low)
    if features.shape[1] > most and not cut:
        packed = (1 - weight) * packed + weight * at(high)
    return jnp.where(valid[:, :, None], packed, 0), valid


class ThinkerProjection(nn.Module):
    """RMS norm and one linear layer; zeros at first, so that a training starts without it."""

    config: OmniConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, features: Float[Array, "b l d"], mask: TokenMask
    ) -> tuple[Float[Array, "b m e"], Bool[Array, "b m"]]:
        """Packs and projects hidden states; positions that the mask hides are never read."""
        packed, valid = pack(features, mask, self.config.pad_length)
        project = nn.Dense(
            self.config.cond_dim,
            kernel_init=jax.nn.initializers.zeros,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            name="project",
        )
        return project(rms_norm(packed)), valid
