"""The velocity network of Audio-Omni: a diffusion transformer with prepended tokens.

Time and the low-level conditions (visual features, mel of reference audio) stand as tokens before
the latents, and one rotary index runs over all of them; the high-level context (thinker and
transcript) is attended to. Source: Tian et al. 2026 (https://arxiv.org/abs/2604.10708), section
3.3, with blocks as in Stable Audio (https://arxiv.org/abs/2404.10301).
"""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, DTypeLike, Float

from audiogen_jax.layers.attention import Attention
from audiogen_jax.layers.feed_forward import SwiGLU
from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.layers.stack import stack
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.types import FrameMask, Latents, ModuleDTypes, TokenMask

TIME_FREQUENCIES = 128
MLP_RATIO = 4


class ContextCache(NamedTuple):
    """What a block makes of the context of the clips that have one."""

    key: Float[Array, "b l h k"]
    value: Float[Array, "b l h k"]


class Block(nn.Module):
    """Self-attention, cross-attention, feed-forward: each added to what its norm was taken of."""

    config: OmniConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        norm = functools.partial(LayerNorm, use_bias=False, **dtypes)
        attention = functools.partial(Attention, c.embed_dim, c.num_heads, out_bias=False, **dtypes)
        self.attention_norm, self.cross_norm, self.mlp_norm = norm(), norm(), norm()
        self.attention = attention(rope=True, rope_dims=c.rotary_dims)
        self.cross_attention = attention()
        self.mlp = SwiGLU(MLP_RATIO * c.embed_dim, **dtypes)

    def __call__(
        self,
        x: Float[Array, "b t d"],
        _: None,
        context: Float[Array, "b l d"] | None,
        context_mask: Bool[Array, "b l"] | None,
        x_mask: Bool[Array, "b t"] | None,
    ) -> tuple[Float[Array, "b t d"], None]:
        """Follows the calling convention of `layers.stack`."""
        cache = None if context is None else self.prepare(context)
        return self.feed_forward(self.attend(x, cache, context_mask, x_mask)), None

    def prepare(self, context: Float[Array, "b l d"]) -> ContextCache:
        """What `attend` needs of the context."""
        return ContextCache(*self.cross_attention.keys_and_values(context))

    def attend(
        self,
        x: Float[Array, "rows t d"],
        cache: ContextCache | None,
        context_mask: Bool[Array, "b l"] | None,
        x_mask: Bool[Array, "rows t"] | None,
    ) -> Float[Array, "rows t d"]:
        """Both attentions.

        Args:
          x: input; rows without a context come first, those of `cache` last.
          cache: from `prepare`; None if no row has a context.
          context_mask: True at tokens.
          x_mask: True at valid tokens of `x`.
        """
        x = x + self.attention(self.attention_norm(x), key_mask=x_mask)
        if cache is not None:
            # All is bare of biases, so that attention to a context of zeros would add nothing.
            without = x.shape[0] - cache.key.shape[0]
            y = self.cross_norm(x[without:])
            y = self.cross_attention.attend(y, cache.key, cache.value, context_mask)
            x = jnp.concatenate([x[:without], x[without:] + y])
        return x

    def feed_forward(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        """What follows, of each token by itself."""
        return constrain(x + self.mlp(self.mlp_norm(x)), "batch", "length", "embed")


class DiT(nn.Module):
    """Noisy latents to velocity."""

    config: OmniConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        dense = functools.partial(nn.Dense, **dtypes)
        bare = functools.partial(dense, use_bias=False)
        self.frequencies = self.param(
            "frequencies", nn.initializers.normal(1.0), (TIME_FREQUENCIES,), self.param_dtype
        )
        self.time_fc1, self.time_fc2 = dense(c.embed_dim), dense(c.embed_dim)
        self.context_fc1, self.context_fc2 = bare(c.embed_dim), bare(c.embed_dim)
        self.prefix_fc1, self.prefix_fc2 = bare(c.embed_dim), bare(c.embed_dim)
        self.mix_in = bare(c.io_channels, kernel_init=nn.initializers.zeros)
        self.mix_out = bare(c.io_channels, kernel_init=nn.initializers.zeros)
        self.project_in, self.project_out = bare(c.embed_dim), bare(c.io_channels)
        blocks = stack(Block, c.depth, remat=self.remat, unroll=self.unroll, broadcast=3)
        self.blocks = blocks(c, **dtypes)

    def __call__(
        self,
        x: Latents,
        sigma: Float[Array, " b"],
        context: Float[Array, "b l e"] | None,
        context_mask: TokenMask | None,
        prefix: Float[Array, "b p e"] | None,
        x_mask: FrameMask | None = None,
    ) -> Latents:
        """Predicts the velocity d x / d sigma.

        Args:
          x: noisy latents.
          sigma: noise level of each clip.
          context: high-level conditions; zeros or None for the unconditional velocity.
          context_mask: True at their tokens.
          prefix: low-level conditions; None for one token of time alone.
          x_mask: True at valid frames.
        """
        if context is not None:
            context = self.embed_context(context)
        tokens = self.embed_prefix(prefix, len(x)) + self.embed_time(sigma)[:, None]
        h, mask = self.join(tokens, x, x_mask)
        h, _ = self.blocks(h, None, context, context_mask, mask)
        return self.project(h[:, tokens.shape[1] :])

    def embed_time(self, sigma: Float[Array, " n"]) -> Float[Array, "n d"]:
        """A noise level, added to every token of the prefix; its waves are float32."""
        angles = 2 * np.pi * sigma.astype(jnp.float32)[:, None] * self.frequencies
        features = jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)
        return self.time_fc2(nn.silu(self.time_fc1(features)))

    def embed_context(self, context: Float[Array, "b l e"]) -> Float[Array, "b l d"]:
        """High-level conditions at the width of the blocks."""
        return self.context_fc2(nn.silu(self.context_fc1(context)))

    def embed_prefix(
        self, prefix: Float[Array, "b p e"] | None, count: int
    ) -> Float[Array, "b p d"]:
        """Low-level conditions at the width of the blocks; an empty token for each clip if None."""
        if prefix is None:
            return jnp.zeros((count, 1, self.config.embed_dim), self.dtype)
        return self.prefix_fc2(nn.silu(self.prefix_fc1(prefix)))

    def join(
        self, tokens: Float[Array, "b p d"], x: Latents, x_mask: FrameMask | None
    ) -> tuple[Float[Array, "b _ d"], Bool[Array, "b _"] | None]:
        """The tokens of the prefix and the latents as one sequence, and its mask."""
        x = x.astype(self.dtype)
        h = jnp.concatenate([tokens, self.project_in(x + self.mix_in(x))], axis=1)
        if x_mask is None:
            return h, None
        return h, jnp.pad(x_mask, ((0, 0), (tokens.shape[1], 0)), constant_values=True)

    def project(self, h: Float[Array, "b t d"]) -> Latents:
        """The result of the last block to a velocity."""
        y = self.project_out(h)
        return y + self.mix_out(y)
