"""Text to audio: captions in, trimmed waveforms out, few compiled programs whatever the lengths."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, ArrayLike, Bool, Int

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.files.audio import check_audible
from audiogen_jax.files.fingerprint import checkpoint_sha256
from audiogen_jax.infer.buckets import bucket
from audiogen_jax.infer.loading import GeneratorParts, load_generator
from audiogen_jax.infer.noise import clip_keys, clip_noise
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.requests import (
    MAX_BATCH,
    MAX_SECONDS,
    SMALLEST_LATENTS,
    SMALLEST_TEXT,
    Clip,
    ClipError,
    Prompt,
    Request,
    batches,
    by_bucket,
    check_durations,
    check_ids,
    tagged,
    without,
)
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.infer.source import Source, encode_source
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.types import FrameMask, Latents

WINDOW_SECONDS = 10.0
"""Longest clip of the release's training; longer ones are sampled in windows (`long_form`)."""
DTYPES = {"fp32": jnp.float32, "bf16": jnp.bfloat16}


class Submitted(NamedTuple):
    """A batch that the devices are working on.

    Attributes:
      batch: what was asked for.
      seed: of all clips.
      waveforms: float [rows n]; rows beyond the batch only fill it up.
      finite: bool [rows], are the latents?
    """

    batch: Sequence[Request]
    seed: int
    waveforms: Array
    finite: Array


class Pipeline:
    """Dasheng AudioGen with its text encoder and audio tokenizer.

    Attributes:
      config: configuration of the generator.
      tokenizer: the audio tokenizer.
    """

    def __init__(
        self,
        parts: GeneratorParts,
        dtype: Any = jnp.float32,
        devices: Sequence[Any] | None = None,
    ):
        """Args: a checkpoint's parts, taken over; the dtype of the computation; see `load`."""
        self.config = parts.config
        self.tokenizer = parts.tokenizer
        self._source = parts.source
        self._read_text_tokenizer = parts.read_text_tokenizer
        window = min(self.config.dit_img_size, round(WINDOW_SECONDS * self.config.latent_rate))
        self._sampler = Sampler(
            parts.config,
            parts.params,
            parts.text_config,
            parts.text_params,
            parts.read_text_tokenizer()[1] if self.config.special_tokens else (),
            dtype,
            window,
            devices,
        )
        self.tokenizer.sharding = NamedSharding(self._sampler.mesh, P())

    @classmethod
    def load(
        cls,
        source: str | Path = "nano",
        *,
        revision: str | None = None,
        dtype: str = "fp32",
        param_dtype: str = "fp32",
        devices: Sequence[Any] | None = None,
    ) -> Self:
        """Loads a generator.

        The text tokenizer is read when the first prompt is, so that a folder without one still
        samples from token ids (unless the checkpoint trained embeddings of special tokens).

        Args:
          source: "nano" for the embedded model, a folder in Hugging Face layout, or the name of
            a hub repository.
          revision: branch, tag or commit of the hub repository.
          dtype: of the computation, "fp32" or "bf16"; norms, softmax, rotary angles, spectra and
            the state of the solver are float32 in both.
          param_dtype: of the parameters in memory, "fp32" or "bf16".
          devices: what batches are split over, such as `jax.local_devices()`; the first if None.

        Raises:
          ValueError: there is no such checkpoint, or it does not hold what it should.
        """
        for name, value in (("dtype", dtype), ("param_dtype", param_dtype)):
            if value not in DTYPES:
                raise ValueError(f"{name}={value!r} must be one of {sorted(DTYPES)}")
        parts = load_generator(
            source, revision=revision, dtype=DTYPES[dtype], param_dtype=DTYPES[param_dtype]
        )
        return cls(parts, DTYPES[dtype], devices)

    @functools.cached_property
    def _text_tokenizer(self) -> TextTokenizer:
        return self._read_text_tokenizer()[0]

    def checkpoint_sha256(self) -> str:
        """One hash over the files of the checkpoint's folder."""
        return checkpoint_sha256(self._source)

    def generate(
        self,
        prompts: Prompt | Sequence[Prompt],
        seed: int = 0,
        steps: int = 25,
        guidance: float = 5.0,
        duration: float | Sequence[float] | None = None,
        solver: str = "euler",
        schedule: str = "sway",
        ids: Sequence[str] | None = None,
        *,
        negative: Prompt | None = None,
        view_guidance: Mapping[str, float] | None = None,
        guidance_interval: tuple[float, float] = (0.0, 1.0),
        source: Source | None = None,
        compat: str | None = None,
    ) -> list[Clip]:
        """Generates one clip per prompt.

        The noise of a clip depends on `seed` and its id alone: a clip agrees to 1e-4 whatever
        is generated with it, and is identical bit for bit when the call is repeated. By default
        the id is the position in the list, so that equal prompts give different takes; to get
        the third clip of a list again by itself, pass ids=["2"].

        Args:
          prompts: tagged strings or StructuredCaptions.
          seed: in [0, 2**32).
          steps, guidance, solver, schedule, negative, view_guidance, guidance_interval, compat:
            see `SamplingOptions`.
          duration: seconds, for all or one per prompt; None lets the model decide, or takes that
            of `source`. Beyond what the model was trained on, overlapping windows are blended.
          ids: one name per prompt, all different.
          source: real audio to keep parts of, to continue or to vary.

        Raises:
          ValueError: a bad argument, or a clip that came out silent or not finite, named.
        """
        options = SamplingOptions(
            steps=steps,
            guidance=guidance,
            schedule=schedule,
            solver=solver,
            negative=None if negative is None else tagged(negative),
            view_guidance=view_guidance or {},
            guidance_interval=guidance_interval,
            compat=compat,
        )
        if source is not None and duration is None:
            duration = len(source.audio) / self.config.sample_rate
        requests = self.requests(prompts, ids, duration)
        clips: dict[str, Clip] = {}
        for batch in batches(requests):
            for clip in self.collect(self.submit(batch, seed, options, source)):
                if isinstance(clip, ClipError):
                    raise clip
                clips[clip.id] = clip
        return [clips[request.id] for request in requests]

    def requests(
        self,
        prompts: Prompt | Sequence[Prompt],
        ids: Sequence[str] | None = None,
        duration: float | Sequence[float] | None = None,
    ) -> list[Request]:
        """Prompts with the length of each clip; the model decides those that are not given.

        Args:
          prompts, ids, duration: as in `generate`.

        Raises:
          ValueError: a bad argument, or a predicted length that is out of range; the clip is named.
        """
        if isinstance(prompts, str | StructuredCaption):
            prompts = [prompts]
        texts = [tagged(prompt) for prompt in prompts]
        if not texts:
            raise ValueError("no prompts: give at least one")
        names = check_ids(ids, len(texts))
        per_frame = self.config.downsampling_ratio
        if duration is None:
            frames = self._predicted_frames(texts, names)
            samples = frames * per_frame
        else:
            seconds = np.array(check_durations(duration, len(texts), self.config.latent_rate))
            samples = np.rint(seconds * self.config.sample_rate).astype(int)
            frames = -(-samples // per_frame)
        rows = zip(names, texts, frames.tolist(), samples.tolist(), strict=True)
        return [Request(*row) for row in rows]

    def submit(
        self,
        batch: Sequence[Request],
        seed: int,
        options: SamplingOptions,
        source: Source | None = None,
    ) -> Submitted:
        """Starts a batch and returns while the devices work on it.

        The rows are filled up to a power of two and a multiple of the devices, with copies of the
        last clip, to bound the number of compiled shapes.

        Args:
          batch: clips of about the same length, from `batches`.
          seed: in [0, 2**32).
          options: how to sample.
          source: real audio to start from.

        Raises:
          ValueError: a bad argument.
        """
        whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        if not whole or not 0 <= seed < 2**32:
            raise ValueError(f"seed={seed!r} must be an integer in [0, 2**32)")
        count = 1 << (len(batch) - 1).bit_length()
        count = -(-count // self._sampler.mesh.size) * self._sampler.mesh.size
        rows = [*batch, *[batch[-1]] * (count - len(batch))]
        frames = np.array([row.frames for row in rows])
        length = self._padded_frames(int(frames.max()))

        prompts = [row.prompt for row in rows]
        texts = [prompts]
        if options.negative is not None:
            texts.append([options.negative] * count)
        for view in options.view_guidance:
            texts.append([without(prompt, view) for prompt in prompts])
        encoded = self._encode_texts(texts)
        negative = encoded.pop(1) if options.negative is not None else None
        noise = clip_noise(
            clip_keys(seed, [row.id for row in rows]), length, self.config.latent_dim
        )
        latents = self._sampler.sample(
            *encoded[0],
            frames,
            noise,
            options,
            removed=encoded[1:],
            negative=negative,
            edit=None if source is None else encode_source(source, self.tokenizer, frames, length),
            noise_level=1.0 if source is None else source.noise_level,
        )
        waveforms = self.tokenizer.decode_each(latents, frames)
        return Submitted(batch, int(seed), waveforms, jnp.isfinite(latents).all(axis=(1, 2)))

    def collect(self, submitted: Submitted) -> list[Clip | ClipError]:
        """Waits for a batch; a clip that came out silent or not finite is an error in its place."""
        waveforms, finite = jax.device_get((submitted.waveforms, submitted.finite))
        clips: list[Clip | ClipError] = []
        for row, request in enumerate(submitted.batch):
            audio = waveforms[row, : request.samples]
            try:
                if not finite[row]:
                    raise ValueError(f"clip {request.id!r}: the sampled latents are not finite")
                check_audible(audio, f"clip {request.id!r}")
            except ValueError as error:
                clips.append(ClipError(request.id, str(error)))
                continue
            rate = self.tokenizer.sample_rate
            clips.append(Clip(audio, rate, request.id, request.prompt, submitted.seed))
        return clips

    def sample_latents(
        self,
        token_ids: ArrayLike,
        token_mask: ArrayLike,
        noise: ArrayLike | None = None,
        steps: int = 25,
        guidance: float = 5.0,
        schedule: str = "sway",
        compat: str | None = None,
    ) -> tuple[Latents, FrameMask]:
        """Samples latents from token ids, at the lengths that the model predicts.

        Args:
          token_ids: int [b l].
          token_mask: bool [b l], True at tokens.
          noise: float [b t c] with t at least the longest prediction; None draws that of seed 0
            and ids "0", "1", ….
          steps, guidance, schedule, compat: see `SamplingOptions`.

        Returns:
          Latents float [b t c], and bool [b t], True at the frames of each clip.

        Raises:
          ValueError: a bad argument, or a clip with a predicted length beyond the noise.
        """
        options = SamplingOptions(steps, guidance, schedule, compat=compat)
        token_ids, token_mask = np.asarray(token_ids), np.asarray(token_mask, bool)
        shapes = token_ids.shape, token_mask.shape
        if token_ids.ndim != 2 or shapes[0] != shapes[1]:
            raise ValueError(f"token_ids and token_mask of shapes {shapes}: expected both [b l]")
        names = [str(row) for row in range(len(token_ids))]
        frames = self._check_predicted(self._sampler.frames(token_ids, token_mask), names)
        longest = int(frames.max())
        noise = (
            clip_noise(clip_keys(0, names), longest, self.config.latent_dim)
            if noise is None
            else jnp.asarray(noise, jnp.float32)
        )
        expected = (len(names), longest, self.config.latent_dim)
        if noise.ndim != 3 or noise.shape[::2] != expected[::2] or noise.shape[1] < longest:
            raise ValueError(
                f"noise of shape {noise.shape}: expected [b t c] with at least {expected}"
            )
        rows = np.arange(-(-len(names) // self._sampler.mesh.size) * self._sampler.mesh.size)
        rows = np.minimum(rows, len(names) - 1)  # filled up to a multiple of the devices
        latents = self._sampler.sample(
            token_ids[rows], token_mask[rows], frames[rows], noise[rows], options
        )
        return latents[: len(names)], jnp.arange(noise.shape[1]) < frames[:, None]

    def _encode_texts(
        self, texts: Sequence[Sequence[str]]
    ) -> list[tuple[Int[np.ndarray, "b l"], Bool[np.ndarray, "b l"]]]:
        """Ids and masks of several lists of texts, all padded to one bucket."""
        encode = self._text_tokenizer.encode_batch
        encoded = [encode(some, self.config.tokenizer_max_length) for some in texts]
        longest = max(int(mask.sum(axis=1).max()) for _, mask in encoded)
        tokens = min(bucket(longest, SMALLEST_TEXT), self.config.tokenizer_max_length)
        return [(ids[:, :tokens], mask[:, :tokens]) for ids, mask in encoded]

    def _predicted_frames(
        self, texts: Sequence[str], names: Sequence[str]
    ) -> Int[np.ndarray, " b"]:
        ids, mask = self._text_tokenizer.encode_batch(texts, self.config.tokenizer_max_length)
        frames = np.zeros(len(texts), np.int32)
        lengths = mask.sum(axis=1)
        for tokens, rows in by_bucket(lengths, SMALLEST_TEXT, MAX_BATCH):
            padded = np.pad(rows, (0, (1 << (len(rows) - 1).bit_length()) - len(rows)), mode="edge")
            predicted = self._sampler.frames(ids[padded, :tokens], mask[padded, :tokens])
            frames[rows] = predicted[: len(rows)]
        return self._check_predicted(frames, names)

    def _check_predicted(
        self, frames: Int[np.ndarray, " b"], names: Sequence[str]
    ) -> Int[np.ndarray, " b"]:
        longest = round(MAX_SECONDS * self.config.latent_rate)
        for name, count in zip(names, frames, strict=True):
            if not 1 <= count <= longest:
                raise ValueError(
                    f"clip {name!r}: the model predicts {count} latent frames, expected 1 to "
                    f"{longest}; give a duration"
                )
        return frames

    def _padded_frames(self, frames: int) -> int:
        """Frames to sample for clips of at most so many: a bucket, or a whole number of hops."""
        window = self._sampler.window
        if frames <= window:
            return min(bucket(frames, SMALLEST_LATENTS), window)
        hop = window // 2
        return window + -(-(frames - window) // hop) * hop
