"""U-skip diffusion transformer: the velocity model of Dasheng AudioGen.

Blocks as in Peebles and Xie 2023 (DiT) with cross-attention and a GEGLU; the long skips of Bao et
al. 2023 (U-ViT) join in-block i to out-block depth / 2 - 1 - i. The gates are 1 - gate_mlp and
tanh(1 - gate_msa), so a zero initialisation leaves every block switched on.
"""

import functools

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import zeros
from jaxtyping import Array, Bool, Float

from audiogen_jax.config import AudioGenConfig
from audiogen_jax.layers.attention import NORMS, Attention
from audiogen_jax.layers.embeddings import TimeEmbedding
from audiogen_jax.layers.feed_forward import GEGLU
from audiogen_jax.layers.stack import stack
from audiogen_jax.types import FrameMask, Latents, TokenMask


class DiTBlock(nn.Module):
    """Self-attention, time-aligned content, cross-attention and MLP.

    Follows the calling convention of `layers.stack`; the layer input is a skip to consume (or
    None), the layer output is the block's own, for a later block to consume.
    """

    config: AudioGenConfig
    dtype: jnp.dtype = jnp.float32
    param_dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b t d"],
        skip: Float[Array, "b t d"] | None,
        time: Float[Array, "b d"],
        context: Float[Array, "b l d"],
        time_aligned: Float[Array, "b _ e"],
        x_mask: Bool[Array, "b t"] | None,
        context_mask: Bool[Array, "b l"] | None,
    ) -> tuple[Float[Array, "b t d"], Float[Array, "b t d"]]:
        c = self.config
        width = c.dit_embed_dim
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        norm = functools.partial(NORMS[c.dit_norm_layer], **dtypes)
        attend = functools.partial(Attention, c.dit_num_heads, qk_norm=c.dit_qk_norm, **dtypes)

        if skip is not None:
            joined = norm(name="skip_norm")(jnp.concatenate([x, skip], axis=-1))
            x = nn.Dense(width, name="skip_linear", **dtypes)(joined)

        modulate = nn.Dense(6 * width, kernel_init=zeros, name="modulation", **dtypes)
        shift_attn, scale_attn, gate_attn, shift_mlp, scale_mlp, gate_mlp = jnp.split(
            modulate(time)[:, None, :], 6, axis=-1
        )
        y = norm(name="attention_norm")(x) * (1 + scale_attn) + shift_attn
        x = x + jnp.tanh(1 - gate_attn) * attend(rope=True, name="attention")(y, key_mask=x_mask)

        aligned = norm(name="time_aligned_norm")(time_aligned)
        x = x + nn.Dense(width, use_bias=False, name="time_aligned", **dtypes)(aligned)

        y, context = norm(name="cross_norm")(x), norm(name="context_norm")(context)
        x = x + attend(name="cross_attention")(y, context, key_mask=context_mask)

        y = norm(name="mlp_norm")(x) * (1 + scale_mlp) + shift_mlp
        x = x + (1 - gate_mlp) * GEGLU(int(width * c.dit_mlp_ratio), name="mlp", **dtypes)(y)
        return x, x


class DiT(nn.Module):
    """Noisy latents to velocity."""

    config: AudioGenConfig
    dtype: jnp.dtype = jnp.float32
    param_dtype: jnp.dtype = jnp.float32
    remat: str | None = None
    unroll: bool = False

    def setup(self):
        c = self.config
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        dense = functools.partial(nn.Dense, **dtypes)
        self.context_fc1, self.context_fc2 = dense(c.dit_embed_dim), dense(c.dit_embed_dim)
        self.time_embed = TimeEmbedding(c.dit_embed_dim, **dtypes)
        self.patch_embed = dense(c.dit_embed_dim)
        blocks = stack(
            DiTBlock, c.dit_depth // 2, remat=self.remat, unroll=self.unroll, broadcast=5
        )
        self.in_blocks = blocks(c, **dtypes)
        self.mid_block = DiTBlock(c, **dtypes)
        self.out_blocks = blocks(c, **dtypes)
        self.final_modulation = dense(2 * c.dit_embed_dim, kernel_init=zeros)
        self.final_norm = NORMS[c.dit_norm_layer](**dtypes)
        self.final_linear = dense(c.dit_out_chans)
        self.final_conv = nn.Conv(c.dit_out_chans, (3,), kernel_init=zeros, **dtypes)

    def embed_context(self, context: Float[Array, "b l e"]) -> Float[Array, "b l d"]:
        """The context at the width of the blocks: the same at every step of a sampler."""
        return self.context_fc2(nn.silu(self.context_fc1(context)))

    def __call__(
        self,
        x: Latents,
        timestep: Float[Array, " b"],
        context: Float[Array, "b l d"],
        context_mask: TokenMask | None,
        time_aligned: Float[Array, "b _ e"],
        x_mask: FrameMask | None,
        compat: str | None = None,
    ) -> Latents:
        """Predicts the velocity d x / d sigma.

        Masks hide keys from attention. By default masked frames are also zeroed before the final
        convolution, so that a clip's velocity is what it would be without the padding.

        Args:
          x: noisy latents.
          timestep: 1000 sigma of each clip.
          context: what `embed_context` returned.
          context_mask: True at valid tokens.
          time_aligned: content of every frame, or of all frames at once (axis of length 1).
          x_mask: True at valid frames.
          compat: "release" lets masked frames into the final convolution, as the PyTorch release
            does: they change the last valid frame.
        """
        time = nn.silu(self.time_embed(timestep))
        shared = (time, context, time_aligned, x_mask, context_mask)
        x, skips = self.in_blocks(self.patch_embed(x), None, *shared)
        x, _ = self.mid_block(x, None, *shared)
        x, _ = self.out_blocks(x, skips[::-1], *shared)

        shift, scale = jnp.split(self.final_modulation(time)[:, None, :], 2, axis=-1)
        x = self.final_linear(self.final_norm(x) * (1 + scale) + shift)
        if x_mask is not None and compat is None:
            x = jnp.where(x_mask[:, :, None], x, 0)
        return self.final_conv(x)
