"""The vision tower of the thinker: pairs of frames, cut into patches, to tokens.

Source: https://arxiv.org/abs/2502.13923, section 2.1. No attention leaves a pair of frames, so that
here each pair is a row of the batch; its patches come window by window (`patches.window_order`), so
that attention in windows is that of more and shorter rows.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, DTypeLike, Float, Int

from audiogen_jax.layers.norm import RMSNorm
from audiogen_jax.layers.stack import stack
from audiogen_jax.models.omni.thinker.config import VisionConfig
from audiogen_jax.models.omni.thinker.rope import plane_angles
from audiogen_jax.ops.attention import attention
from audiogen_jax.ops.rope import rotate
from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.types import ModuleDTypes


class VisionBlock(nn.Module):
    """Pre-norm attention and SwiGLU; follows the calling convention of `layers.stack`."""

    config: VisionConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "s p d"],
        everywhere: Bool[Array, ""],
        angles: Float[Array, "p half"],
        mask: Bool[Array, " p"],
    ) -> tuple[Float[Array, "s p d"], None]:
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        dense = functools.partial(nn.Dense, **dtypes)
        y = RMSNorm(name="attention_norm", **dtypes)(x)
        query, key, value = (
            constrain(
                dense(c.hidden_size, name=name)(y).reshape(*x.shape[:2], c.num_heads, -1),
                "batch",
                "length",
                "heads",
                "head_dim",
            )
            for name in ("query", "key", "value")
        )
        attended = jax.lax.cond(
            everywhere,
            functools.partial(_attend, width=x.shape[1]),
            functools.partial(_attend, width=window_patches(c)),
            rotate(query, angles[None]),
            rotate(key, angles[None]),
            value,
            mask,
        )
        x = x + dense(c.hidden_size, name="out")(attended.reshape(x.shape))
        y = RMSNorm(name="mlp_norm", **dtypes)(x)
        y = nn.silu(dense(c.intermediate_size, name="gate")(y)) * dense(
            c.intermediate_size, name="up"
        )(y)
        y = constrain(y, "batch", "length", "mlp")
        x = x + dense(c.hidden_size, name="down")(y)
        return constrain(x, "batch", "length", "embed"), None


class VisionTower(nn.Module):
    """Patches of pairs of frames to tokens of the text decoder's width."""

    config: VisionConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        patches: Float[Array, "s p v"],
        places: Int[Array, "p 2"],
        mask: Bool[Array, " p"],
    ) -> Float[Array, "s n d"]:
        """Codes every pair of frames by itself.

        Args:
          patches: of each pair, window by window, four of one token after another.
          places: row and column of every patch.
          mask: False where a window reaches over the edge of the picture.

        Returns:
          n = p / 4 tokens in the same order.
        """
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        dense = functools.partial(nn.Dense, **dtypes)
        x = dense(c.hidden_size, use_bias=False, name="patch_embed")(patches.astype(self.dtype))
        everywhere = jnp.isin(jnp.arange(c.depth), jnp.array(c.fullatt_block_indexes, int))
        angles = plane_angles(places, c.hidden_size // c.num_heads)
        blocks = stack(VisionBlock, c.depth, broadcast=2)(c, name="blocks", **dtypes)
        x, _ = blocks(x, everywhere, angles, mask)
        x = RMSNorm(name="merge_norm", **dtypes)(x)
        merged = x.reshape(x.shape[0], -1, c.spatial_merge_size**2 * c.hidden_size)
        hidden = nn.gelu(dense(merged.shape[-1], name="merge_fc1")(merged), approximate=False)
        return dense(c.out_hidden_size, name="merge_fc2")(hidden)


def window_patches(config: VisionConfig) -> int:
    """Patches of one window."""
    return (config.window_tokens * config.spatial_merge_size) ** 2


def _attend(
    query: Float[Array, "s p h k"],
    key: Float[Array, "s p h k"],
    value: Float[Array, "s p h k"],
    mask: Bool[Array, " p"],
    width: int,
) -> Float[Array, "s p h k"]:
    """Attention among every `width` patches that follow each other."""

    def rows(each: Float[Array, "s p h k"]) -> Float[Array, "r w h k"]:
        return each.reshape(-1, width, *each.shape[2:])

    valid = jnp.tile(mask.reshape(-1, width), (query.shape[0], 1))
    return attention(rows(query), rows(key), rows(value), valid).reshape(query.shape)
