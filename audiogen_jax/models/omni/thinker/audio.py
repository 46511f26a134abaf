"""The audio tower of the thinker: log-mel frames to one token per 40 ms, in chunks of 2 s.

Source: https://arxiv.org/abs/2503.20215, section 2.1. Chunks know nothing of each other, so that
here each is a row of the batch.
"""

import math

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, DTypeLike, Float, Int

from audiogen_jax.layers.attention import Attention
from audiogen_jax.layers.feed_forward import Mlp
from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.layers.stack import stack
from audiogen_jax.models.omni.thinker.config import AudioConfig
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.types import ModuleDTypes


class AudioBlock(nn.Module):
    """Pre-norm self-attention and MLP; follows the calling convention of `layers.stack`."""

    config: AudioConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "c t d"], _: None, mask: Bool[Array, "c t"]
    ) -> tuple[Float[Array, "c t d"], None]:
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        attend = Attention(
            c.d_model,
            c.encoder_attention_heads,
            qkv_bias=True,
            key_bias=False,
            name="attention",
            **dtypes,
        )
        x = x + attend(LayerNorm(name="attention_norm", **dtypes)(x), key_mask=mask)
        y = LayerNorm(name="mlp_norm", **dtypes)(x)
        x = x + Mlp(c.encoder_ffn_dim, name="mlp", **dtypes)(y)
        return constrain(x, "batch", "length", "embed"), None


class AudioTower(nn.Module):
    """Chunks of mel frames to tokens of the text decoder's width."""

    config: AudioConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, mel: Float[Array, "c n f"], lengths: Int[Array, " c"]
    ) -> Float[Array, "c n//4 d"]:
        """Codes every chunk by itself.

        Args:
          mel: float32, `AudioConfig.chunk_frames` or fewer frames a chunk.
          lengths: frames of each chunk; what stands beyond changes nothing.

        Returns:
          A token for every four frames; of a shorter chunk the first `audio_tokens` are of use.
        """
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        valid = length_mask(lengths, mel.shape[1])[..., None]
        x = jnp.where(valid, mel, 0).astype(self.dtype)
        x = nn.gelu(nn.Conv(c.d_model, (3,), padding=1, name="conv1", **dtypes)(x), False)
        x = jnp.where(valid, x, 0)
        conv2 = nn.Conv(c.d_model, (3,), strides=2, padding=1, name="conv2", **dtypes)
        x = nn.gelu(conv2(x), False)
        x = x + sinusoids(x.shape[1], c.d_model).astype(self.dtype)
        mask = length_mask((lengths + 1) // 2, x.shape[1])
        x, _ = stack(AudioBlock, c.encoder_layers, broadcast=1)(c, name="blocks", **dtypes)(
            x, None, mask
        )
        pairs = x.reshape(x.shape[0], x.shape[1] // 2, 2, c.d_model).mean(axis=2)
        # In the checkpoint and never used: vectors for the start and the end of a sound.
        self.param("boundaries", nn.initializers.normal(0.02), (2, c.output_dim), self.param_dtype)
        out = nn.Dense(c.output_dim, name="out", **dtypes)
        return out(LayerNorm(name="final_norm", **dtypes)(pairs))


def sinusoids(length: int, width: int) -> Float[np.ndarray, "{length} {width}"]:
    """[sin | cos] of p 10000^(-i / (width / 2 - 1)), which no checkpoint holds."""
    scale = math.log(10000.0) / (width // 2 - 1)
    angles = np.arange(length)[:, None] * np.exp(-scale * np.arange(width // 2))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def audio_tokens(frames: int) -> int:
    """Tokens of a sound of so many mel frames: pairs of its frames at half the rate."""
    return (frames + 1) // 4
