"""The audio tokenizer as an object: waveforms to latents and back."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, ArrayLike, Float, Int

from audiogen_jax.checkpoints.dasheng_tokenizer import DECODER, ENCODER, TokenizerCheckpoint
from audiogen_jax.checkpoints.encoder_hash import encoder_sha256
from audiogen_jax.checkpoints.locate import find_checkpoint, find_part
from audiogen_jax.checkpoints.safetensors import parse_config, read_config
from audiogen_jax.infer.buckets import bucket
from audiogen_jax.infer.compile import compiler_options
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.dasheng.tokenizer import MIN_SAMPLES, DashengTokenizer, latent_length
from audiogen_jax.types import Latents, Params, Waveform

_SMALLEST_BUCKET = 16000
_SMALLEST_DECODE = 32


class Codec:
    """DashengTokenizer with its weights: 16 kHz mono waveforms <-> 25 Hz latents.

    The parameters of each half are read when it is first used.

    Attributes:
      config: the model configuration.
    """

    def __init__(
        self,
        checkpoint: TokenizerCheckpoint,
        dtype: Any = jnp.float32,
        sharding: jax.sharding.Sharding | None = None,
    ):
        """Args: the weights on disk; dtype of the computation; where parameters are placed."""
        self.config = checkpoint.config
        self.sharding = sharding
        self._checkpoint = checkpoint
        self._model = DashengTokenizer(checkpoint.config, dtype=dtype)

    @classmethod
    def load(
        cls,
        source: str | Path = "nano",
        *,
        revision: str | None = None,
        dtype: Any = jnp.float32,
        param_dtype: Any = jnp.float32,
    ) -> Self:
        """Loads a tokenizer; see `load_tokenizer` of the package.

        Args:
          source: "nano", a tokenizer folder in Hugging Face layout, the name of a hub repository,
            or a generator of either kind, whose tokenizer is taken.
          revision: branch, tag or commit of a hub repository.
          dtype: of the computation; mel spectra, norms and the inverse STFT are float32 in any.
          param_dtype: of the parameters.

        Raises:
          ValueError: there is no such checkpoint, or it does not hold what it should.
        """
        folder = find_checkpoint(source, revision)
        values = read_config(folder)
        if values.get("model_type") == AudioGenConfig.MODEL_TYPE:
            values.pop("instruction_length", None)  # of an Orbax copy
            name = parse_config(folder, AudioGenConfig, values).tokenizer_name
            folder = find_part(folder, "tokenizer_name", name)
        return cls(TokenizerCheckpoint(folder, param_dtype), dtype)

    @functools.cached_property
    def _encoder(self) -> Params:
        return self._checkpoint.read(ENCODER, self._place)

    @functools.cached_property
    def _decoder(self) -> Params:
        return self._checkpoint.read(DECODER, self._place)

    @functools.cached_property
    def _encode(self) -> Callable:
        options = compiler_options(self._encoder)
        return jax.jit(self._apply_encode, static_argnames="compat", compiler_options=options)

    @functools.cached_property
    def _encode_split(self) -> Callable:
        # Nothing is exchanged between clips, so each device runs the program for its own rows.
        rows = P("data")
        apply = jax.shard_map(
            functools.partial(self._apply_encode, compat=None),
            mesh=self._mesh,
            in_specs=(P(), rows, rows),
            out_specs=rows,
        )
        return jax.jit(apply, compiler_options=compiler_options(self._encoder))

    @property
    def _mesh(self) -> Mesh:
        match self.sharding:
            case NamedSharding(mesh=Mesh() as mesh) if "data" in mesh.shape:
                return mesh
        raise ValueError(f"sharding is {self.sharding}: expected a mesh with an axis 'data'")

    @functools.cached_property
    def _decode(self) -> Callable:
        return jax.jit(self._apply_decode, compiler_options=compiler_options(self._decoder))

    def _place(self, value: np.ndarray) -> Array:
        return jax.device_put(value, self.sharding)

    @property
    def sample_rate(self) -> int:
        """Samples per second of the audio (Hz)."""
        return self.config.SAMPLE_RATE

    @property
    def samples_per_latent(self) -> int:
        """Samples that one latent frame decodes to."""
        return self.config.samples_per_latent

    def encode(
        self, audio: ArrayLike, lengths: ArrayLike | None = None, compat: str | None = None
    ) -> Latents:
        """Encodes waveforms.

        By default every clip stands alone: neither its batch nor what lies beyond its length
        (even NaN) changes its latents, and frames beyond its end are zero.

        Args:
          audio: float [b n] at `sample_rate`.
          lengths: int [b], valid samples per clip; all n if None.
          compat: "release" follows the PyTorch release: one dB floor for the whole batch, and
            masked frames of the first 10 seconds are not zeroed.

        Returns:
          Float [b t c] with t = (n // 160 + 1) // 4.

        Raises:
          ValueError: another shape, clips shorter than 513 samples, NaN or infinite samples.
        """
        samples, valid = _check_audio(audio, lengths)
        if compat not in (None, "release"):
            raise ValueError(f"compat={compat!r} must be None or 'release'")
        frames = latent_length(samples.shape[1])
        if compat is None:
            size = bucket(samples.shape[1], _SMALLEST_BUCKET)
            samples = np.pad(samples, ((0, 0), (0, size - samples.shape[1])))
        elif lengths is None:
            valid = None
        return self._encode(self._encoder, samples, valid, compat=compat)[:, :frames]

    def encode_split(self, audio: ArrayLike, lengths: ArrayLike) -> Latents:
        """Encodes on all devices of `sharding`, each its own rows; returns before they are done.

        Args:
          audio: float [b n] at `sample_rate`, b a multiple of the devices.
          lengths: int [b], valid samples per clip.

        Returns:
          Float [b t c], each row as `encode` gives it, and zeros to the end of the padded shape.

        Raises:
          ValueError: as `encode`, or the rows do not split over the devices.
        """
        samples, valid = _check_audio(audio, lengths)
        mesh = self._mesh
        if len(samples) % mesh.size:
            raise ValueError(f"{len(samples)} rows do not split over {mesh.size} devices")
        size = bucket(samples.shape[1], _SMALLEST_BUCKET)
        samples = np.pad(samples, ((0, 0), (0, size - samples.shape[1])))
        return self._encode_split(
            self._encoder, *jax.device_put((samples, valid), NamedSharding(mesh, P("data")))
        )

    @property
    def encoder_sha256(self) -> str:
        """The hash of `convert.encoder_hash` over the parameters as they were loaded."""
        return encoder_sha256(self.config, self._encoder)

    def decode(self, latents: ArrayLike) -> Waveform:
        """Decodes latents; one program is compiled per shape.

        Args:
          latents: float [b t c].

        Returns:
          Float [b n] at `sample_rate`, n = 640 t.

        Raises:
          ValueError: another shape.
        """
        latents = jnp.asarray(latents, jnp.float32)
        if latents.ndim != 3 or not latents.size or latents.shape[-1] != self.config.embed_dim:
            raise ValueError(
                f"latents of shape {latents.shape}: expected [b t c] with t > 0 frames and "
                f"c = {self.config.embed_dim} channels"
            )
        return self._decode(self._decoder, latents)

    def decode_each(self, latents: Latents, frames: Int[np.ndarray, " b"]) -> Waveform:
        """Decodes clips of different lengths; a clip's audio never depends on the others'.

        The last frame of each clip is repeated past its end, further than the decoder sees, so
        that every padded length gives the same audio and a few programs serve all lengths.

        Args:
          latents: float [b t c].
          frames: valid latent frames of each clip, 1 to t.

        Returns:
          Float32 [b n]; the first `samples_per_latent` x frames samples of a clip are its audio.
        """
        size = bucket(latents.shape[1] + self._decoder_reach, _SMALLEST_DECODE)
        last = np.minimum(np.arange(size), np.asarray(frames)[:, None] - 1)
        return self._decode(self._decoder, jnp.take_along_axis(latents, last[..., None], 1))

    @property
    def _decoder_reach(self) -> int:
        """Latent frames to each side that the decoder sees: kernel-7 convolutions, then ISTFT."""
        convolutions = 3 * (self.config.decoder_depth + 1)
        synthesis = -(-self.config.istft_n_fft // (2 * self.config.istft_hop))
        return -(-(convolutions + synthesis) // self.config.upsample_tokens)

    def _apply_encode(
        self,
        params: Params,
        audio: Float[Array, "b n"],
        lengths: Int[Array, " b"] | None,
        compat: str | None,
    ) -> Latents:
        return self._model.apply(  # type: ignore[return-value]
            {"params": params}, audio, lengths, compat=compat, method="encode"
        )

    def _apply_decode(self, params: Params, latents: Latents) -> Waveform:
        return self._model.apply({"params": params}, latents, method="decode")  # type: ignore[return-value]


def _check_audio(audio: Any, lengths: Any) -> tuple[np.ndarray, np.ndarray]:
    samples = np.asarray(audio, np.float32)
    if samples.ndim != 2 or samples.shape[0] == 0:
        raise ValueError(f"audio of shape {samples.shape}: expected [b n], mono clips in rows")
    count, width = samples.shape
    valid = np.full(count, width) if lengths is None else np.asarray(lengths)
    if valid.shape != (count,) or not np.issubdtype(valid.dtype, np.integer):
        raise ValueError(f"lengths {lengths!r}: expected one integer for each of {count} clips")
    if valid.min() < MIN_SAMPLES or valid.max() > width:
        raise ValueError(
            f"lengths between {valid.min()} and {valid.max()} samples: each clip needs at least "
            f"{MIN_SAMPLES} and at most the {width} given"
        )
    finite = np.isfinite(samples) | (np.arange(width) >= valid[:, None])
    if not finite.all():
        raise ValueError(f"clip {int(np.argmin(finite.all(axis=1)))} holds NaN or infinite samples")
    return samples, valid.astype(np.int32)
