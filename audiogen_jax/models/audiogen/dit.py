"""U-skip diffusion transformer: the velocity model of Dasheng AudioGen.

Blocks as in Peebles and Xie 2023 (DiT) with cross-attention and a GEGLU; the long skips of Bao et
al. 2023 (U-ViT) join in-block i to out-block depth / 2 - 1 - i. The gates are 1 - gate_mlp and
tanh(1 - gate_msa), so a zero initialisation leaves every block switched on.
"""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import zeros
from jaxtyping import Array, Bool, DTypeLike, Float

from audiogen_jax.flow.flow_map import Jump
from audiogen_jax.layers.attention import Attention
from audiogen_jax.layers.embeddings import TimeEmbedding
from audiogen_jax.layers.feed_forward import GEGLU
from audiogen_jax.layers.norm import NORMS
from audiogen_jax.layers.stack import stack
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.types import FrameMask, Latents, ModuleDTypes, TokenMask

GUIDANCE_UNIT = 10.0
"""A guidance scale is embedded as so many times itself, in the range of timesteps."""


class TextCache(NamedTuple):
    """What a block makes of the text and of time-aligned content; neither noise nor time is in it.

    Attributes:
      key, value: of the clips that have a text.
      aligned: what time-aligned content adds to every frame, or to all at once (axis of length 1).
      no_text: what cross-attention gives a clip without text.
    """

    key: Float[Array, "b l h k"]
    value: Float[Array, "b l h k"]
    aligned: Float[Array, "rows _ d"]
    no_text: Float[Array, " d"] | None = None


class DiTBlock(nn.Module):
    """Self-attention, time-aligned content, cross-attention and MLP."""

    config: AudioGenConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        width = c.dit_embed_dim
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        norm = functools.partial(NORMS[c.dit_norm_layer], **dtypes)
        attention = functools.partial(
            Attention, width, c.dit_num_heads, qk_norm=c.dit_qk_norm, **dtypes
        )
        self.skip_norm, self.skip_linear = norm(), nn.Dense(width, **dtypes)
        self.modulation = nn.Dense(6 * width, kernel_init=zeros, **dtypes)
        self.attention_norm, self.attention = norm(), attention(rope=True)
        self.time_aligned_norm = norm()
        self.time_aligned = nn.Dense(width, use_bias=False, **dtypes)
        self.cross_norm, self.context_norm, self.cross_attention = norm(), norm(), attention()
        self.mlp_norm, self.mlp = norm(), GEGLU(int(width * c.dit_mlp_ratio), **dtypes)

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
        """Follows the calling convention of `layers.stack`.

        The layer input is a skip to consume (or None), the layer output the block's own result,
        for a later block to consume.
        """
        text = self.prepare(context, time_aligned)
        modulation = self.modulate(time)[:, None, :]
        x = self.forward(x, skip, modulation, text, x_mask, context_mask)
        return x, x

    def prepare(
        self,
        context: Float[Array, "b l d"],
        time_aligned: Float[Array, "rows _ e"],
        empty: Float[Array, " d"] | None = None,
    ) -> TextCache:
        """What `forward` needs of the text.

        Args:
          context: of the clips that have a text.
          time_aligned: of all rows, those without text first.
          empty: the context of rows without text, which is the same at every token: attention to
            equal values gives that value to every query, so it is computed here once.
        """
        key, value = self.cross_attention.keys_and_values(self.context_norm(context))
        aligned = self.time_aligned(self.time_aligned_norm(time_aligned))
        no_text = None
        if empty is not None:
            no_text = self.cross_attention.of_one_value(self.context_norm(empty))
        return TextCache(key, value, aligned, no_text)

    def modulate(self, time: Float[Array, "n d"]) -> Float[Array, "n six_d"]:
        """Shift, scale and gate of self-attention, then of the MLP, at embedded times."""
        return self.modulation(time)

    def forward(
        self,
        x: Float[Array, "rows t d"],
        skip: Float[Array, "rows t d"] | None,
        modulation: Float[Array, "_ 1 six_d"],
        text: TextCache,
        x_mask: Bool[Array, "rows t"] | None,
        context_mask: Bool[Array, "b l"] | None,
    ) -> Float[Array, "rows t d"]:
        """The rest of the block.

        Args:
          x: input; rows without text come first, those of `text.key` last.
          skip: output of an earlier block to join, or None.
          modulation: from `modulate`, for each row or for all.
          text: from `prepare`.
          x_mask: True at valid frames.
          context_mask: True at tokens.
        """
        if skip is not None:
            x = self.skip_linear(self.skip_norm(jnp.concatenate([x, skip], axis=-1)))
        shift_attn, scale_attn, gate_attn, shift_mlp, scale_mlp, gate_mlp = jnp.split(
            modulation, 6, axis=-1
        )
        y = self.attention_norm(x) * (1 + scale_attn) + shift_attn
        x = x + jnp.tanh(1 - gate_attn) * self.attention(y, key_mask=x_mask)

        x = x + text.aligned

        without = x.shape[0] - text.key.shape[0]
        y = self.cross_norm(x[without:])
        y = self.cross_attention.attend(y, text.key, text.value, context_mask)
        if text.no_text is not None:
            no_text = jnp.broadcast_to(text.no_text, (without, *y.shape[1:]))
            y = jnp.concatenate([no_text, y])
        x = x + y

        y = self.mlp_norm(x) * (1 + scale_mlp) + shift_mlp
        return constrain(x + (1 - gate_mlp) * self.mlp(y), "batch", "length", "embed")


class DiT(nn.Module):
    """Noisy latents to velocity."""

    config: AudioGenConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        dense = functools.partial(nn.Dense, **dtypes)
        self.context_fc1, self.context_fc2 = dense(c.dit_embed_dim), dense(c.dit_embed_dim)
        self.time_embed = TimeEmbedding(c.dit_embed_dim, **dtypes)
        embedding = functools.partial(TimeEmbedding, c.dit_embed_dim, zeros, **dtypes)
        if c.distilled:  # begins as the velocity that it is distilled from
            self.guidance_embed = embedding()
        if c.distilled == "flow_map":
            self.until_embed = embedding()
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

    def __call__(
        self,
        x: Latents,
        timestep: Float[Array, " b"],
        context: Float[Array, "b l e"],
        context_mask: TokenMask | None,
        time_aligned: Float[Array, "b _ e2"],
        x_mask: FrameMask | None,
        unmasked_final_convolution: bool = False,
        jump: Jump | None = None,
        beside: Float[Array, "b t d"] | None = None,
    ) -> Latents:
        """Predicts the velocity d x / d sigma; where it is a flow map, its mean over a jump.

        Masks hide keys from attention. By default masked frames are also zeroed before the final
        convolution, so that a clip's velocity is what it would be without the padding.

        Args:
          x: noisy latents.
          timestep: 1000 sigma of each clip.
          context: adapted content; zeros for the unconditional velocity.
          context_mask: True at valid tokens.
          time_aligned: content of every frame, or of all frames at once (axis of length 1).
          x_mask: True at valid frames.
          unmasked_final_convolution: lets masked frames into the final convolution, as the PyTorch
            release does: they change the last valid frame.
          jump: of a distilled network.
          beside: added to the embedded latents.
        """
        time, context = self.embed_time(timestep, jump), self.embed_context(context)
        shared = (time, context, time_aligned, x_mask, context_mask)
        x, skips = self.in_blocks(self.embed_latents(x, beside), None, *shared)
        x, _ = self.mid_block(x, None, *shared)
        x, _ = self.out_blocks(x, skips[::-1], *shared)
        mask = None if unmasked_final_convolution else x_mask
        return self.project(x, self.modulate_final(time)[:, None, :], mask)

    def embed_time(
        self, timestep: Float[Array, " n"], jump: Jump | None = None
    ) -> Float[Array, "n d"]:
        """A timestep (1000 sigma), and a jump from it, as the blocks read them."""
        time = self.time_embed(timestep)
        if self.config.distilled:
            assert jump is not None
            time = time + self.guidance_embed(GUIDANCE_UNIT * jump.guidance)
            if jump.until is not None:
                time = time + self.until_embed(1000.0 * jump.until)
        return nn.silu(time)

    def embed_context(self, context: Float[Array, "*b e"]) -> Float[Array, "*b d"]:
        """The context at the width of the blocks."""
        return self.context_fc2(nn.silu(self.context_fc1(context)))

    def embed_latents(
        self, x: Latents, beside: Float[Array, "b t d"] | None = None
    ) -> Float[Array, "b t d"]:
        """Noisy latents, and what is beside them, at the width of the blocks."""
        embedded = self.patch_embed(x)
        return embedded if beside is None else embedded + beside

    def modulate_final(self, time: Float[Array, "n d"]) -> Float[Array, "n two_d"]:
        """Shift and scale of the last norm at embedded times."""
        return self.final_modulation(time)

    def project(
        self,
        x: Float[Array, "b t d"],
        modulation: Float[Array, "_ 1 two_d"],
        x_mask: FrameMask | None,
    ) -> Latents:
        """The result of the last block to a velocity; masked frames reach no other."""
        shift, scale = jnp.split(modulation, 2, axis=-1)
        x = self.final_linear(self.final_norm(x) * (1 + scale) + shift)
        if x_mask is not None:
            x = jnp.where(x_mask[:, :, None], x, 0)
        return self.final_conv(x)
