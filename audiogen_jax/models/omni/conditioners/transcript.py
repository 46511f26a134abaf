"""Transcripts as tokens of the context: the text encoder of F5-TTS, pressed to a few steps.

Source: Chen et al. 2024 (https://arxiv.org/abs/2410.06885), section 3.2, with blocks of ConvNeXt V2
(Woo et al. 2023, https://arxiv.org/abs/2301.00808).
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, DTypeLike, Float, Int

from audiogen_jax.layers.convnext import DepthwiseConv
from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.models.omni.conditioners.layers import along_time, rms_norm
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.ops.rope import inverse_frequencies
from audiogen_jax.types import ModuleDTypes

FILLER = 0
"""Id of what fills a transcript up; those of characters and syllables are one above their line."""


def positions(length: int, width: int) -> Float[np.ndarray, "l d"]:
    """[cos | sin] of position times 10000^(-2i / width)."""
    angles = np.arange(length, dtype=np.float32)[:, None] * inverse_frequencies(width)
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


class ResponseNorm(nn.Module):
    """x + beta + gamma x n, n a channel's norm over time beside the mean of all channels' norms.

    All positions take part, those that only fill up as well: the release was trained so.
    """

    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b l d"]) -> Float[Array, "b l d"]:
        gamma, beta = (
            self.param(name, nn.initializers.zeros, (x.shape[-1],), self.param_dtype)
            for name in ("gamma", "beta")
        )
        wide = x.astype(jnp.float32)
        power = jnp.sum(jnp.square(wide), axis=1, keepdims=True)
        # The root has no slope at 0, where a clip without a transcript may begin its training.
        norm = jnp.where(power > 0, jnp.sqrt(jnp.where(power > 0, power, 1)), 0)
        relative = norm / (jnp.mean(norm, axis=-1, keepdims=True) + 1e-6)
        return (gamma * (wide * relative) + beta + wide).astype(x.dtype)


class TextBlock(nn.Module):
    """x + Linear(norm of responses(GELU(Linear(LayerNorm(depthwise x)))))."""

    hidden_dim: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b l d"]) -> Float[Array, "b l d"]:
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        y = DepthwiseConv(name="dwconv", **dtypes)(x)
        y = LayerNorm(epsilon=1e-6, name="norm", **dtypes)(y)
        y = nn.gelu(nn.Dense(self.hidden_dim, name="pwconv1", **dtypes)(y), approximate=False)
        y = ResponseNorm(self.param_dtype, name="responses")(y)
        return x + nn.Dense(x.shape[-1], name="pwconv2", **dtypes)(y)


class TranscriptTokens(nn.Module):
    """Ids to tokens of the context."""

    config: OmniConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        self.embed = nn.Embed(c.vocab_size + 1, c.text_dim, **dtypes)
        width = c.text_mult * c.text_dim
        self.layers = [TextBlock(width, **dtypes) for _ in range(c.text_layers)]
        self.along_features = nn.Dense(c.cond_dim, **dtypes)
        self.along_time = nn.Dense(c.text_tokens, **dtypes)
        shape = (c.text_tokens, c.cond_dim)
        self.none = self.param("none", nn.initializers.normal(0.02), shape, self.param_dtype)

    def __call__(
        self,
        ids: Int[Array, "b l"],
        present: Bool[Array, " b"],
        normed_in_mixed_batches: bool = False,
    ) -> Float[Array, "b u e"]:
        """Encodes transcripts.

        Args:
          ids: `text_length` of each clip, `FILLER` after its end.
          present: clips that have a transcript; an empty one is none of those without.
          normed_in_mixed_batches: what stands for no transcript is normalised where another clip
            of the batch has one, as the release does it.
        """
        encoded = along_time(self.along_time, self.along_features(rms_norm(self.encode(ids))))
        none = jnp.broadcast_to(self.none.astype(jnp.float32), encoded.shape)
        if normed_in_mixed_batches:
            none = jnp.where(present.any(), rms_norm(none), none)
        return jnp.where(present[:, None, None], rms_norm(encoded), none)

    def encode(self, ids: Int[Array, "b l"]) -> Float[Array, "b l d"]:
        """The blocks; zeros after the end of each transcript."""
        valid = (ids != FILLER)[:, :, None]
        x = self.embed(ids) + positions(ids.shape[1], self.config.text_dim)
        for layer in self.layers:
            x = layer(jnp.where(valid, x, 0).astype(self.dtype))
        return jnp.where(valid, x, 0)
