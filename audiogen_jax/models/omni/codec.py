"""The Oobleck VAE as an `AudioCodec`: 44.1 kHz stereo <-> latents at 21.5 Hz, in chunks."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, Int, PRNGKeyArray, PyTree

from audiogen_jax.layers.apply import apply
from audiogen_jax.models.omni.axes import OOBLECK
from audiogen_jax.models.omni.config import OobleckConfig
from audiogen_jax.models.omni.oobleck import DILATIONS, Oobleck, Span
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.types import Count, Latents, Params

_UNITS = 3 * sum(DILATIONS)
"""Steps to each side that the residual units of a level look at."""


@dataclasses.dataclass(frozen=True)
class OobleckCodec:
    """A `models.protocols.AudioCodec` whose latents are the means of the VAE.

    Attributes:
      config: its sizes.
      dtype: of the computation; snakes are float32 in any.
      chunk: latent frames that are coded at a time; longer clips take no more memory than so many,
        and come out the same.
      quirks: of the PyTorch release, none of which concerns it.
    """

    config: OobleckConfig
    dtype: DTypeLike = jnp.float32
    chunk: int = 128
    quirks: Quirks = Quirks()

    encoder = ("encoder",)
    decoder = ("decoder",)
    axes = OOBLECK

    @property
    def sample_rate(self) -> int:
        return self.config.sample_rate

    @property
    def channels(self) -> int:
        return self.config.audio_channels

    @property
    def samples_per_latent(self) -> int:
        return self.config.samples_per_latent

    @property
    def latent_dim(self) -> int:
        return self.config.latent_dim

    @property
    def min_samples(self) -> int:
        return self.samples_per_latent

    @property
    def reach(self) -> int:
        """From the waveform back: how far the steps of every level look at those of the last."""
        steps = 3
        for stride in self.config.strides:
            steps = -(-(steps + _UNITS) // stride) + 1
        return steps + 3

    @property
    def encoding_reach(self) -> int:
        """Latent frames to each side whose samples one latent looks at."""
        samples, step = 3, 1
        for stride in self.config.strides:
            samples += (_UNITS + stride) * step
            step *= stride
        return -(-(samples + step) // step)

    @property
    def settings(self) -> Mapping[str, object]:
        return dataclasses.asdict(self.config)

    def with_quirks(self, quirks: Quirks) -> Self:
        return dataclasses.replace(self, quirks=quirks)

    @functools.cached_property
    def network(self) -> Oobleck:
        """The Linen module."""
        return Oobleck(self.config, dtype=self.dtype)

    def init(self, key: PRNGKeyArray) -> Params:
        audio = jnp.zeros((1, self.samples_per_latent, self.channels))
        return self.network.init(key, audio)["params"]

    def latent_length(self, samples: Count) -> Count:
        return samples // self.samples_per_latent

    def encode(
        self,
        params: Params,
        audio: Float[Array, "b n a"],
        lengths: Int[Array, " b"] | None = None,
    ) -> Latents:
        return self.posterior(params, audio, lengths)[0]

    def posterior(
        self,
        params: Params,
        audio: Float[Array, "b n a"],
        lengths: Int[Array, " b"] | None = None,
    ) -> tuple[Latents, Latents]:
        """Mean and standard deviation of the latents; arguments as for `encode`."""
        frames, step = self.latent_length(audio.shape[1]), self.samples_per_latent

        def encode(piece: Array, span: Span | None) -> tuple[Latents, Latents]:
            return apply(self.network, params, piece, span, method="encode")

        if lengths is None:
            lengths = jnp.full(len(audio), audio.shape[1])
        if frames <= self.chunk + 2 * self.encoding_reach:
            coded = encode(audio, Span(jnp.zeros_like(lengths), lengths))
        else:
            coded = self._in_chunks(encode, audio, lengths, frames, self.encoding_reach, step, 1)
        valid = length_mask(self.latent_length(lengths), frames)[:, :, None]
        return jax.tree.map(lambda half: jnp.where(valid, half, 0), coded)

    def decode(self, params: Params, latents: Latents) -> Float[Array, "b n a"]:
        frames, step = latents.shape[1], self.samples_per_latent

        def decode(piece: Latents, span: Span | None) -> Array:
            return apply(self.network, params, piece, span, method="decode")

        if frames <= self.chunk + 2 * self.reach:
            return decode(latents, None)
        lengths = jnp.full(len(latents), frames)
        return self._in_chunks(decode, latents, lengths, frames, self.reach, 1, step)

    def _in_chunks(
        self,
        function: Callable,
        x: Float[Array, "b m c"],
        lengths: Int[Array, " b"],
        frames: int,
        reach: int,
        steps_in: int,
        steps_out: int,
    ) -> PyTree[Array]:
        """A function of whole clips, applied to chunks that overlap by its reach on both sides.

        Args:
          function: (steps, their span) -> steps, or a tuple of such.
          x: steps of the clips.
          lengths: valid ones of each clip.
          frames: latent frames of `x`.
          reach: latent frames to each side that the function looks at.
          steps_in, steps_out: of one latent frame, before and after.
        """
        starts = jnp.arange(0, frames, self.chunk)
        size = self.chunk + 2 * reach
        after = (len(starts) * self.chunk + reach) * steps_in - x.shape[1]
        padded = jnp.pad(x, ((0, 0), (reach * steps_in, max(after, 0)), (0, 0)))

        def code(start: Array) -> PyTree[Array]:
            piece = jax.lax.dynamic_slice_in_dim(padded, start * steps_in, size * steps_in, axis=1)
            before = jnp.maximum(reach - start, 0) * steps_in
            valid = jnp.maximum(lengths + (reach - start) * steps_in, 0)
            coded = function(piece, Span(jnp.full_like(valid, before), valid))
            kept = slice(reach * steps_out, (reach + self.chunk) * steps_out)
            return jax.tree.map(lambda y: y[:, kept], coded)

        def joined(y: Float[Array, "k b m c"]) -> Float[Array, "b n c"]:
            y = jnp.moveaxis(y, 0, 1).reshape(y.shape[1], -1, y.shape[-1])
            return y[:, : frames * steps_out]

        return jax.tree.map(joined, jax.lax.map(code, starts))
