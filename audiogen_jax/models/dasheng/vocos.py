"""Vocos: ConvNeXt over frames, then magnitude and phase for an inverse STFT.

Source: https://arxiv.org/abs/2306.00814.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float

from audiogen_jax.layers.convnext import ConvNeXtBlock
from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.layers.stack import stack
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.ops.istft import istft_same
from audiogen_jax.types import ModuleDTypes

MAX_MAGNITUDE = 100.0


class VocosBackbone(nn.Module):
    """Convolution, ConvNeXt blocks, LayerNorm."""

    config: TokenizerConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b t d"]:
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        x = nn.Conv(c.decoder_embed_dim, (7,), padding=3, name="embed", **dtypes)(x)
        x = LayerNorm(epsilon=1e-6, name="norm", **dtypes)(x)
        blocks = stack(ConvNeXtBlock, c.decoder_depth, remat=self.remat, unroll=self.unroll)
        gamma_init = 1 / c.decoder_depth
        x, _ = blocks(c.decoder_intermediate_size, gamma_init, name="convnext", **dtypes)(x, None)
        return LayerNorm(epsilon=1e-6, name="final_layer_norm", **dtypes)(x)


class ISTFTHead(nn.Module):
    """Linear to log magnitude and phase, then the inverse transform in fp32."""

    n_fft: int
    hop: int
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b t*{self.hop}"]:
        out = nn.Dense(self.n_fft + 2, name="out", param_dtype=self.param_dtype)
        log_magnitude, phase = jnp.split(out(x.astype(jnp.float32)), 2, axis=-1)
        # Clipped before exp: an overflow behind the clip would make the gradient NaN.
        magnitude = jnp.exp(jnp.minimum(log_magnitude, np.log(MAX_MAGNITUDE)))
        return istft_same(magnitude * jnp.exp(1j * phase), self.n_fft, self.hop)


class Vocos(nn.Module):
    """Frames at sample_rate / istft_hop to a waveform."""

    config: TokenizerConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False

    def setup(self):
        c = self.config
        self.backbone = VocosBackbone(
            c, dtype=self.dtype, param_dtype=self.param_dtype, remat=self.remat, unroll=self.unroll
        )
        self.head = ISTFTHead(c.istft_n_fft, c.istft_hop, param_dtype=self.param_dtype)

    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b t*{self.config.istft_hop}"]:
        return self.head(self.backbone(x))
