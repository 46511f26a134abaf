"""An audio codec as an object: waveforms to latents and back."""

import functools
from collections.abc import Collection
from pathlib import Path
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, ArrayLike, DTypeLike, Float, Float32, Int, Key

from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.parameter_hash import encoder_sha256
from audiogen_jax.checkpoints.registry import LoadedCodec, open_codec
from audiogen_jax.infer.buckets import bucket
from audiogen_jax.infer.codec_programs import CodecPrograms, codec_programs
from audiogen_jax.infer.compile import compiler_options
from audiogen_jax.infer.layout import Layout, inference_mesh
from audiogen_jax.models.protocols import AudioCodec, LayeredCodec, VariationalCodec
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.types import Latents, Params, as_float32, compute_dtype, parse_dtype

_SMALLEST_DECODE = 32
"""Latent frames of the shortest bucket of waveforms to decode to."""


class Codec:
    """An audio codec with its weights, such as DashengTokenizer: waveforms <-> latents.

    The parameters of each half are read when it is first used.

    Attributes:
      codec: the model.
      layout: of parameters and of the batches of `encode_split` on the devices.
      loaded: the codec on disk.
    """

    def __init__(self, loaded: LoadedCodec, mesh: Mesh | None = None):
        """Nothing is read yet.

        Args:
          loaded: a codec on disk.
          mesh: of its devices, see `inference_mesh`; the first one if None.
        """
        self.codec: AudioCodec = loaded.codec
        self.layout = Layout(mesh or inference_mesh())
        self.loaded = loaded

    @classmethod
    def load(
        cls,
        source: str | Path = "nano",
        *,
        revision: str | None = None,
        dtype: str | DTypeLike = "float32",
        param_dtype: str | DTypeLike = "float32",
        mesh: Mesh | None = None,
    ) -> Self:
        """Loads a codec; see `load_tokenizer` of the package.

        Args:
          source: "nano", a codec's folder in Hugging Face layout, the name of a hub repository,
            or a generator of either kind, whose codec is taken.
          revision: branch, tag or commit of a hub repository.
          dtype: of the computation; spectra and norms are float32 in any.
          param_dtype: of the parameters.
          mesh: see the class.

        Raises:
          ValueError: there is no such checkpoint, or it does not hold what it should.
        """
        types = {
            "dtype": compute_dtype(dtype),
            "param_dtype": parse_dtype(param_dtype, "param_dtype"),
        }
        return cls(open_codec(source, revision=revision, **types), mesh)

    @property
    def sample_rate(self) -> int:
        """Samples per second of the audio (Hz)."""
        return self.codec.sample_rate

    @property
    def channels(self) -> int:
        """Channels of the audio."""
        return self.codec.channels

    @property
    def samples_per_latent(self) -> int:
        """Samples that one latent frame decodes to."""
        return self.codec.samples_per_latent

    @property
    def latent_dim(self) -> int:
        """Channels of the latents."""
        return self.codec.latent_dim

    @property
    def latent_rate(self) -> float:
        """Latent frames per second."""
        return self.sample_rate / self.samples_per_latent

    @property
    def min_samples(self) -> int:
        """Samples of the shortest clip that can be encoded."""
        return self.codec.min_samples

    def latent_length(self, samples: int) -> int:
        """Latent frames of a clip of so many samples."""
        return int(self.codec.latent_length(samples))

    @property
    def encoder_sha256(self) -> str:
        """The hash of what decides the latents; see `checkpoints.parameter_hash`."""
        return encoder_sha256(self.codec, self._encoder)

    def encode(
        self, audio: ArrayLike, lengths: ArrayLike | None = None, compat: str | None = None
    ) -> Latents:
        """Encodes waveforms.

        By default every clip stands alone: neither its batch nor what lies beyond its length
        (even NaN) changes its latents, and frames beyond its end are zero.

        Args:
          audio: float [b n] of a mono codec, else [b n a], at `sample_rate`.
          lengths: int [b], valid samples per clip; all n if None.
          compat: "release" follows the PyTorch release: one dB floor for the whole batch, and
            masked frames of the first 10 seconds are not zeroed.

        Returns:
          Float [b t c] with t = `latent_length(n)`.

        Raises:
          ValueError: another shape, no floats, clips that are too short, NaN or infinite samples.
        """
        quirks = Quirks.of(compat)
        samples, valid = self._check_audio(audio, lengths)
        frames = self.latent_length(samples.shape[1])
        if compat is None:
            samples = self._pad(samples)
        elif lengths is None:
            valid = None
        with self.layout.active():
            latents = self._encoding.encode(self._encoder, samples, valid, quirks=quirks)
        if latents.shape[1] == frames:
            return latents
        # Cut on the host: on devices each length would be a program.
        return jax.device_put(np.asarray(latents)[:, :frames])

    def encode_clip(self, audio: ArrayLike) -> Float32[np.ndarray, "t c"]:
        """Encodes all of one clip: zeros fill up its last latent frame, so that no end is lost.

        Args:
          audio: float [n] of a mono codec, else [n a], at `sample_rate`.

        Returns:
          Latents whose decoded audio has at least n samples.

        Raises:
          ValueError: as `encode`.
        """
        samples, valid = self._check_audio(as_float32(audio, "audio")[None], None)
        padding = -samples.shape[1] % self.samples_per_latent
        samples = np.pad(samples, ((0, 0), (0, padding), (0, 0)))
        with self.layout.active():
            latents = self._encoding.encode(
                self._encoder, self._pad(samples), valid + padding, quirks=Quirks()
            )
        return np.asarray(latents)[0, : self.latent_length(samples.shape[1])]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of what `encode_layer` gives; the last is what `encode` gives."""
        return self.codec.layers if isinstance(self.codec, LayeredCodec) else ("latents",)

    def encode_layer(self, audio: ArrayLike, layer: str) -> Float32[np.ndarray, "t c"]:
        """Encodes one clip to what its latents are made of, or to these.

        Args:
          audio: float [n] of a mono codec, else [n a], at `sample_rate`.
          layer: of `layers`.

        Returns:
          Its `latent_length(n)` frames: samples that fill no frame are left out.

        Raises:
          ValueError: as `encode`, or there is no such layer.
        """
        if layer not in self.layers:
            raise ValueError(f"layer {layer!r}: this codec has {', '.join(self.layers)}")
        samples, valid = self._check_audio(as_float32(audio, "audio")[None], None)
        padded = self._pad(samples)
        with self.layout.active():
            if layer == self.layers[-1]:
                latents = self._encoding.encode(self._encoder, padded, valid, quirks=Quirks())
            else:
                latents = self._encoding.encode_layer(self._encoder, padded, valid, layer=layer)
        return np.asarray(latents)[0, : self.latent_length(samples.shape[1])]

    @property
    def varies(self) -> bool:
        """Has a clip many latents, of which `encode` gives the mean?"""
        return isinstance(self.codec, VariationalCodec)

    def encode_split(
        self, audio: ArrayLike, lengths: ArrayLike, keys: Key[Array, " b"] | None = None
    ) -> Latents:
        """Encodes on all devices of `mesh`, each its own rows; returns before they are done.

        Args:
          audio: as `encode` takes it, b a multiple of the devices.
          lengths: int [b], valid samples per clip.
          keys: of clips whose latents are drawn, for a codec that `varies`; means if None.

        Returns:
          Float [b t c], each row as `encode` gives it, and zeros to the end of the padded shape.

        Raises:
          ValueError: as `encode`, or the rows do not split over the devices.
        """
        samples, valid = self._check_audio(audio, lengths)
        if len(samples) % self.layout.rows:
            raise ValueError(f"{len(samples)} rows do not split over {self.layout.rows} devices")
        rows = jax.device_put((self._pad(samples), valid), self.layout.split)
        with self.layout.active():
            if keys is None:
                return self._encoding.encode_split(self._encoder, *rows)
            data = jax.device_put(jax.random.key_data(keys), self.layout.split)
            return self._encoding.draw_split(self._encoder, *rows, data)

    def decode(self, latents: ArrayLike) -> Float[Array, "b n ..."]:
        """Decodes latents; one program is compiled per shape.

        Args:
          latents: float [b t c].

        Returns:
          Float [b n] of a mono codec, else [b n a], n = `samples_per_latent` t.

        Raises:
          ValueError: another shape, no floats, NaN or infinite latents.
        """
        latents = as_float32(latents, "latents")
        if latents.ndim != 3 or not latents.size or latents.shape[-1] != self.latent_dim:
            raise ValueError(
                f"latents of shape {latents.shape}: expected [b t c] with t > 0 frames and "
                f"c = {self.latent_dim} channels"
            )
        if not np.isfinite(latents).all():
            raise ValueError("the latents hold NaN or infinite values")
        with self.layout.active():
            return self._decoding.decode(self._decoder, latents)

    def decode_each(
        self, latents: Latents, lengths: Int[np.ndarray, " b"]
    ) -> Float[Array, "b n ..."]:
        """Decodes clips of different lengths; a clip's audio never depends on the others'.

        The last frame of each clip is repeated past its end, further than the decoder sees, so
        that every padded length gives the same audio and a few programs serve all lengths.

        Args:
          latents: float [b t c].
          lengths: valid latent frames of each clip, 1 to t.

        Returns:
          Float32 as from `decode`; the first `samples_per_latent` x length samples of a clip are
          its audio.
        """
        size = bucket(latents.shape[1] + self.codec.reach, _SMALLEST_DECODE)
        last = np.minimum(np.arange(size), np.asarray(lengths)[:, None] - 1)
        repeated = jnp.take_along_axis(latents, last[..., None], 1)
        with self.layout.active():
            return self._decoding.decode(self._decoder, repeated)

    @functools.cached_property
    def _encoder(self) -> Params:
        return self._read(self.codec.encoder)

    @functools.cached_property
    def _decoder(self) -> Params:
        return self._read(self.codec.decoder)

    def _read(self, names: Collection[str]) -> Params:
        """Parameters on the devices; those that are cut are never whole on one of them."""
        put = on_host if self.layout.cuts else self.layout.put_whole
        return self.layout.put(self.loaded.read(names, put), self.codec.axes)

    @functools.cached_property
    def _encoding(self) -> CodecPrograms:
        return self._programs(self._encoder)

    @functools.cached_property
    def _decoding(self) -> CodecPrograms:
        return self._programs(self._decoder)

    def _programs(self, params: Params) -> CodecPrograms:
        return codec_programs(self.codec, self.layout.mesh, tuple(compiler_options(params).items()))

    def _pad(self, samples: Float[np.ndarray, "b n a"]) -> Float[np.ndarray, "b m a"]:
        """Samples up to the next bucket, the shortest of a second."""
        size = bucket(samples.shape[1], self.sample_rate)
        return np.pad(samples, ((0, 0), (0, size - samples.shape[1]), (0, 0)))

    def _check_audio(
        self, audio: ArrayLike, lengths: ArrayLike | None
    ) -> tuple[Float[np.ndarray, "b n a"], Int[np.ndarray, " b"]]:
        samples = as_float32(audio, "audio")
        if samples.ndim == 2 and self.channels == 1:
            samples = samples[:, :, None]
        if samples.ndim != 3 or samples.shape[2] != self.channels or samples.shape[0] == 0:
            shape = "[b n], mono clips in rows" if self.channels == 1 else f"[b n {self.channels}]"
            raise ValueError(f"audio of shape {np.shape(audio)}: expected {shape}")
        count, width = samples.shape[:2]
        valid = np.full(count, width) if lengths is None else np.asarray(lengths)
        if valid.shape != (count,) or not np.issubdtype(valid.dtype, np.integer):
            raise ValueError(f"lengths {lengths!r}: expected one integer for each of {count} clips")
        if valid.min() < self.min_samples or valid.max() > width:
            raise ValueError(
                f"lengths between {valid.min()} and {valid.max()} samples: each clip needs at "
                f"least {self.min_samples} and at most the {width} given"
            )
        finite = np.isfinite(samples).all(axis=2) | (np.arange(width) >= valid[:, None])
        if not finite.all():
            clip = int(np.argmin(finite.all(axis=1)))
            raise ValueError(f"clip {clip} holds NaN or infinite samples")
        return samples, valid.astype(np.int32)
