"""Dasheng's semantic encoder: a ViT over 64-mel decibels, one token per four frames.

Source: https://arxiv.org/abs/2406.06992.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, DTypeLike, Float, Int

from audiogen_jax.layers.feed_forward import Mlp
from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.layers.stack import stack
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.quirks import NO_QUIRKS, Quirks
from audiogen_jax.ops.attention import attention
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.ops.mel import mel_decibels
from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.types import ModuleDTypes

N_MELS = 64
PATCH_FRAMES = 4
MAX_TOKENS = 252  # per chunk: 1008 mel frames, 10.08 s


class EncoderBlock(nn.Module):
    """Pre-norm self-attention and MLP; follows the calling convention of `layers.stack`."""

    num_heads: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t d"], _: None, mask: Bool[Array, "b t"] | None
    ) -> tuple[Float[Array, "b t d"], None]:
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        b, t, d = x.shape
        y = LayerNorm(epsilon=1e-6, name="norm1", **dtypes)(x)
        qkv = nn.Dense(3 * d, name="qkv", **dtypes)(y).reshape(b, t, 3, self.num_heads, -1)
        q, k, v = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
        y = attention(q, k, v, mask).reshape(b, t, d)
        x = x + nn.Dense(d, name="proj", **dtypes)(y)
        y = LayerNorm(epsilon=1e-6, name="norm2", **dtypes)(x)
        x = x + Mlp(4 * d, name="mlp", **dtypes)(y)
        return constrain(x, "batch", "length", "embed"), None


class FixedBatchNorm(nn.Module):
    """Batch norm over mel bins with stored statistics, which no gradient reaches."""

    @nn.compact
    def __call__(self, x: Float[Array, "b t f"]) -> Float[Array, "b t f"]:
        size = (x.shape[-1],)
        mean = jax.lax.stop_gradient(self.param("mean", nn.initializers.zeros, size))
        var = jax.lax.stop_gradient(self.param("var", nn.initializers.ones, size))
        scale = self.param("scale", nn.initializers.ones, size)
        bias = self.param("bias", nn.initializers.zeros, size)
        return (x - mean) * jax.lax.rsqrt(var + 1e-5) * scale + bias


class AudioEncoder(nn.Module):
    """Waveform to one semantic vector per 40 ms."""

    config: TokenizerConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        init = nn.initializers.truncated_normal(0.02)
        self.init_bn = FixedBatchNorm()
        self.patch_embed = nn.Dense(c.embed_dim, **dtypes)
        self.time_pos_embed = self.param("time_pos_embed", init, (MAX_TOKENS, c.embed_dim))
        self.freq_pos_embed = self.param("freq_pos_embed", init, (c.embed_dim,))
        blocks = stack(EncoderBlock, c.depth, remat=self.remat, unroll=self.unroll, broadcast=1)
        self.blocks = blocks(c.num_heads, **dtypes)
        self.norm = LayerNorm(epsilon=1e-6, **dtypes)

    def patches(
        self,
        audio: Float[Array, "b n"],
        lengths: Int[Array, " b"] | None = None,
        quirks: Quirks = NO_QUIRKS,
    ) -> Float[Array, "b t p"]:
        """Normalised mel patches of four frames (p = 4 x 64 values, frame by frame)."""
        batch_wide = quirks.batch_wide_floor
        decibels = mel_decibels(audio, None if batch_wide else lengths, floor_over_batch=batch_wide)
        mel = self.init_bn(decibels)
        t = mel.shape[1] // PATCH_FRAMES
        return mel[:, : t * PATCH_FRAMES].reshape(mel.shape[0], t, PATCH_FRAMES * N_MELS)

    def embed(self, patches: Float[Array, "b t p"]) -> Float[Array, "b t d"]:
        """Patch embedding plus position, for at most 252 patches."""
        position = self.time_pos_embed[: patches.shape[1]] + self.freq_pos_embed
        return self.patch_embed(patches) + position.astype(self.dtype)

    def transform(
        self, tokens: Float[Array, "b t d"], mask: Bool[Array, "b t"] | None = None
    ) -> Float[Array, "b t d"]:
        """The transformer blocks and the final norm over one chunk of tokens."""
        return self.norm(self.blocks(tokens, None, mask)[0])

    def __call__(
        self,
        audio: Float[Array, "b n"],
        lengths: Int[Array, " b"] | None = None,
        quirks: Quirks = NO_QUIRKS,
    ) -> Float[Array, "b t d"]:
        """Encodes clips of any length, 10.08 s at a time.

        Attention stays inside a chunk and positions restart in each, as in the release.

        Args:
          audio: 16 kHz samples.
          lengths: valid samples of each clip; None means all.
          quirks: what the PyTorch release does with a batch. Without them every clip stands alone
            and masked tokens are zero.

        Returns:
          (n // 160 + 1) // 4 tokens.
        """
        patches = self.patches(audio, lengths, quirks)
        b, t, p = patches.shape
        chunks = -(-t // MAX_TOKENS)
        mask = None
        if lengths is not None:
            frames = lengths // self.config.hop_length + (not quirks.mask_one_frame_short)
            mask = length_mask(frames // PATCH_FRAMES, t)
        if chunks == 1:
            tokens = self.transform(self.embed(patches), mask)
        else:
            # Chunks become rows of the batch; the last is filled up with masked tokens.
            fill = chunks * MAX_TOKENS - t
            rows = jnp.pad(patches, ((0, 0), (0, fill), (0, 0))).reshape(-1, MAX_TOKENS, p)
            valid = jnp.ones((b, t), bool) if mask is None else mask
            rows_mask = jnp.pad(valid, ((0, 0), (0, fill))).reshape(-1, MAX_TOKENS)
            tokens = self.transform(self.embed(rows), rows_mask)
            tokens = tokens.reshape(b, chunks * MAX_TOKENS, -1)[:, :t]
        if mask is None:
            return tokens
        if quirks.keep_first_chunk:
            mask = mask | (jnp.arange(t) < MAX_TOKENS)
        return jnp.where(mask[..., None], tokens, 0)
