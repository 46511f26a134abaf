"""What is compiled to encode and decode."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, UInt32

from audiogen_jax.infer.compile import Programs
from audiogen_jax.infer.layout import Layout
from audiogen_jax.infer.noise import clip_noise
from audiogen_jax.models.protocols import AudioCodec, LayeredCodec, VariationalCodec
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.types import Latents, Params


class CodecPrograms:
    """The programs of a codec on a mesh, for any parameters of it.

    Attributes:
      encode: parameters, audio and lengths -> latents; static: `quirks`.
      encode_layer: the same of a `LayeredCodec` without quirks; static: `layer`.
      encode_split: the same without quirks, every device its own rows.
      draw_split: the same of a `VariationalCodec`, and the data of keys -> latents that are drawn.
      decode: parameters and latents -> audio, of a mono codec without the axis of channels.
    """

    def __init__(self, codec: AudioCodec, mesh: Mesh, options: Sequence[tuple]):
        """Nothing is compiled yet.

        Args:
          codec: the model.
          mesh: of its devices.
          options: items of `compiler_options`.
        """
        self._codec = codec
        programs = functools.partial(Programs, compiler_options=dict(options))
        self.encode, self.decode = programs(self._encode), programs(self._decode)
        self.encode_layer = programs(self._encode_layer)
        by_rows = Layout(mesh).by_rows
        self.encode_split = programs(by_rows(codec.encode, (True, False, False)))
        self.draw_split = programs(by_rows(self._draw, (True, False, False, False)))

    def _encode(
        self,
        params: Params,
        audio: Float[Array, "b n a"],
        lengths: Int[Array, " b"] | None,
        quirks: Quirks,
    ) -> Latents:
        return self._codec.with_quirks(quirks).encode(params, audio, lengths)

    def _encode_layer(
        self, params: Params, audio: Float[Array, "b n a"], lengths: Int[Array, " b"], layer: str
    ) -> Latents:
        assert isinstance(self._codec, LayeredCodec)
        return self._codec.encode_layer(params, audio, lengths, layer)

    def _draw(
        self,
        params: Params,
        audio: Float[Array, "b n a"],
        lengths: Int[Array, " b"],
        key_data: UInt32[Array, "b _"],
    ) -> Latents:
        assert isinstance(self._codec, VariationalCodec)
        mean, deviation = self._codec.posterior(params, audio, lengths)
        keys = jax.random.wrap_key_data(key_data)
        return mean + deviation * clip_noise(keys, *mean.shape[1:])

    def _decode(self, params: Params, latents: Latents) -> Float[Array, "b n ..."]:
        audio = self._codec.decode(params, latents.astype(jnp.float32))
        return audio[:, :, 0] if self._codec.channels == 1 else audio


codec_programs = functools.lru_cache(maxsize=8)(CodecPrograms)
"""The same programs for equal codecs: a checkpoint loaded again compiles nothing again."""
