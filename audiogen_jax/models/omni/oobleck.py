"""The Oobleck VAE: snake activations and dilated convolutions between strided ones.

Source: Evans et al. 2024 (https://arxiv.org/abs/2402.04825), section 2.1; the snake is that of
Ziyin et al. 2020 (https://arxiv.org/abs/2006.08195) with a scale of its own (BigVGAN).

What lies outside a clip is zero before every convolution, as if the clip ended there. So clips of
a batch may end anywhere, and a long clip may be coded in chunks: both give what the clip alone
would, to rounding.
"""

from typing import NamedTuple, Self

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, Int

from audiogen_jax.models.omni.config import OobleckConfig
from audiogen_jax.types import Latents, ModuleDTypes, Waveform

DILATIONS = (1, 3, 9)
MIN_STD = 1e-4


class Span(NamedTuple):
    """The steps of an array that belong to each clip.

    Attributes:
      start: the first.
      stop: one past the last.
    """

    start: Int[Array, " b"]
    stop: Int[Array, " b"]

    def shorter(self, stride: int) -> Self:
        """The same clips in steps of `stride` steps."""
        return type(self)(self.start // stride, self.stop // stride)

    def longer(self, stride: int) -> Self:
        """The inverse of `shorter`."""
        return type(self)(self.start * stride, self.stop * stride)


def inside(x: Float[Array, "b t c"], span: Span | None) -> Float[Array, "b t c"]:
    """`x` with zeros outside the clips; all of it is inside if there is no span."""
    if span is None:
        return x
    steps = jnp.arange(x.shape[1])
    valid = (span.start[:, None] <= steps) & (steps < span.stop[:, None])
    return jnp.where(valid[:, :, None], x, 0)


class Snake(nn.Module):
    """x + sin(e^alpha x)^2 / e^beta, in float32."""

    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b t c"]:
        alpha, beta = (
            self.param(name, nn.initializers.zeros, (x.shape[-1],), self.param_dtype)
            for name in ("alpha", "beta")
        )
        wide = x.astype(jnp.float32)
        scale = jnp.exp(beta.astype(jnp.float32)) + 1e-9
        wave = jnp.square(jnp.sin(jnp.exp(alpha.astype(jnp.float32)) * wide))
        return (wide + wave / scale).astype(x.dtype)


class Upsample(nn.Module):
    """Transposed convolution by an even stride, over two strides, that keeps clips whole."""

    features: int
    stride: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b t*{self.stride} d"]:
        size = 2 * self.stride
        init = nn.initializers.lecun_normal()
        kernel = self.param("kernel", init, (size, x.shape[-1], self.features), self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), self.param_dtype)
        edge = size - 1 - self.stride // 2
        y = jax.lax.conv_general_dilated(
            x.astype(self.dtype),
            kernel[::-1].astype(self.dtype),
            (1,),
            [(edge, edge)],
            lhs_dilation=(self.stride,),
            dimension_numbers=("NWC", "WIO", "NWC"),
        )
        return y + bias.astype(self.dtype)


class ResidualUnit(nn.Module):
    """x + conv1(snake(conv7(snake(x)))), the wider convolution dilated."""

    dilation: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"], span: Span | None) -> Float[Array, "b t c"]:
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        y = inside(Snake(self.param_dtype, name="snake1")(x), span)
        wide = nn.Conv(
            x.shape[-1],
            (7,),
            kernel_dilation=self.dilation,
            padding=3 * self.dilation,
            name="conv1",
            **dtypes,
        )
        y = Snake(self.param_dtype, name="snake2")(wide(y))
        return x + nn.Conv(x.shape[-1], (1,), name="conv2", **dtypes)(y)


class OobleckEncoder(nn.Module):
    """Waveform to the mean and the scale of each latent."""

    config: OobleckConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, audio: Waveform, span: Span | None) -> Float[Array, "b t two_c"]:
        c, widths = self.config, self.config.widths
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        x = nn.Conv(widths[0], (7,), padding=3, name="conv_in", **dtypes)(inside(audio, span))
        for i, stride in enumerate(c.strides):
            for j, dilation in enumerate(DILATIONS):
                x = ResidualUnit(dilation, name=f"level_{i}_unit_{j}", **dtypes)(x, span)
            x = inside(Snake(self.param_dtype, name=f"level_{i}_snake")(x), span)
            down = nn.Conv(
                widths[i + 1], (2 * stride,), stride, stride // 2, name=f"level_{i}_down", **dtypes
            )
            x = down(x)
            span = span and span.shorter(stride)
        x = inside(Snake(self.param_dtype, name="snake")(x), span)
        return nn.Conv(2 * c.latent_dim, (3,), padding=1, name="conv_out", **dtypes)(x)


class OobleckDecoder(nn.Module):
    """Latents to a waveform."""

    config: OobleckConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, latents: Latents, span: Span | None) -> Waveform:
        c, widths = self.config, self.config.widths[::-1]
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        x = nn.Conv(widths[0], (7,), padding=3, name="conv_in", **dtypes)(inside(latents, span))
        for i, stride in enumerate(c.strides[::-1]):
            x = inside(Snake(self.param_dtype, name=f"level_{i}_snake")(x), span)
            x = Upsample(widths[i + 1], stride, name=f"level_{i}_up", **dtypes)(x)
            span = span and span.longer(stride)
            for j, dilation in enumerate(DILATIONS):
                x = ResidualUnit(dilation, name=f"level_{i}_unit_{j}", **dtypes)(x, span)
        x = inside(Snake(self.param_dtype, name="snake")(x), span)
        out = nn.Conv(c.audio_channels, (7,), padding=3, use_bias=False, name="conv_out", **dtypes)
        return out(x)


class Oobleck(nn.Module):
    """Encoder and decoder; use `apply(..., method="encode")` and `method="decode"`."""

    config: OobleckConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        self.encoder = OobleckEncoder(self.config, **dtypes)
        self.decoder = OobleckDecoder(self.config, **dtypes)

    def encode(self, audio: Waveform, span: Span | None = None) -> tuple[Latents, Latents]:
        """Mean and standard deviation of the latents of audio, float32.

        Args:
          audio: samples.
          span: those that belong to each clip; all if None.
        """
        mean, scale = jnp.split(self.encoder(audio, span).astype(jnp.float32), 2, axis=-1)
        return mean, jax.nn.softplus(scale) + MIN_STD

    def decode(self, latents: Latents, span: Span | None = None) -> Waveform:
        """Latents to audio, float32.

        Args:
          latents: as `encode` gives them.
          span: frames that belong to each clip; all if None.
        """
        return self.decoder(latents, span).astype(jnp.float32)

    def __call__(self, audio: Waveform) -> Waveform:
        """Reconstructs audio; touches every parameter."""
        return self.decode(self.encode(audio)[0])
