"""Masked autoencoding of mel patches: how the semantic encoder is pretrained.

Sources: MAE (https://arxiv.org/abs/2111.06377) on Dasheng's 40 ms patches
(https://arxiv.org/abs/2406.06992).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, PRNGKeyArray

from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.layers.stack import StackOptions, stack
from audiogen_jax.models.dasheng.audio_encoder import MAX_TOKENS, AudioEncoder, EncoderBlock
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.types import ModuleDTypes

MASKED_SHARE = 0.75


class MaskedAutoencoder(nn.Module):
    """Encodes a quarter of the patches and predicts the rest with a shallow transformer.

    The subtree "audio_encoder" of the parameters is the tokenizer's.
    """

    config: TokenizerConfig
    decoder_depth: int = 2
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        depth = StackOptions(remat=self.remat, unroll=self.unroll)
        init = nn.initializers.truncated_normal(0.02)
        self.audio_encoder = AudioEncoder(c, **dtypes, **depth)
        self.mask_token = self.param("mask_token", init, (c.embed_dim,))
        self.decoder_pos_embed = self.param("decoder_pos_embed", init, (MAX_TOKENS, c.embed_dim))
        blocks = stack(EncoderBlock, self.decoder_depth, broadcast=1, **depth)
        self.decoder_blocks = blocks(c.num_heads, **dtypes)
        self.decoder_norm = LayerNorm(epsilon=1e-6, **dtypes)
        self.predict = nn.Dense(4 * 64, **dtypes)

    def __call__(self, audio: Float[Array, "b n"], key: PRNGKeyArray) -> Float[Array, ""]:
        """Mean squared error on the masked patches, each normalised to zero mean and unit variance.

        Args:
          audio: 16 kHz samples, at most 10.08 s (one chunk of the encoder).
          key: draws which patches each clip keeps.
        """
        patches = self.audio_encoder.patches(audio)
        b, t, _ = patches.shape
        if t > MAX_TOKENS:
            raise ValueError(f"audio of {t} patches is too long to mask: at most {MAX_TOKENS}")
        count = max(1, round(t * (1 - MASKED_SHARE)))
        order = jnp.argsort(jax.random.uniform(key, (b, t)), axis=1)
        visible = order[:, :count]

        tokens = self.audio_encoder.embed(patches)
        tokens = jnp.take_along_axis(tokens, visible[..., None], axis=1)
        tokens = self.audio_encoder.transform(tokens)

        rows = jnp.arange(b)[:, None]
        canvas = jnp.broadcast_to(self.mask_token.astype(tokens.dtype), (b, t, tokens.shape[-1]))
        canvas = canvas.at[rows, visible].set(tokens)
        canvas = canvas + self.decoder_pos_embed[:t].astype(tokens.dtype)
        predicted = self.predict(self.decoder_norm(self.decoder_blocks(canvas, None, None)[0]))

        mean = patches.mean(-1, keepdims=True)
        target = (patches - mean) * jax.lax.rsqrt(patches.var(-1, keepdims=True) + 1e-6)
        error = jnp.square(predicted.astype(jnp.float32) - jax.lax.stop_gradient(target)).mean(-1)
        masked = jnp.ones((b, t)).at[rows, visible].set(0.0)
        return jnp.sum(error * masked) / jnp.sum(masked)
