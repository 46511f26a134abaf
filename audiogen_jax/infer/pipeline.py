"""Text to audio: captions in, trimmed waveforms out, few compiled programs whatever the lengths."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import ArrayLike, DTypeLike

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.checkpoints.forms import EDITOR, FEW_STEPS, load_form
from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.registry import LoadedGenerator, load_generator
from audiogen_jax.checkpoints.separator import separator_beside
from audiogen_jax.files.audio import check_audible
from audiogen_jax.files.fingerprint import checkpoint_sha256
from audiogen_jax.flow.windows import stack_windows
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.editing import AudioInput, Inputs, as_sound
from audiogen_jax.infer.latent_editing import LatentEditor
from audiogen_jax.infer.layout import inference_mesh
from audiogen_jax.infer.make_from_inputs import InputRequestMaker
from audiogen_jax.infer.make_requests import Asked, RequestMaker
from audiogen_jax.infer.noise import clip_keys, clip_noise
from audiogen_jax.infer.options import FEW, SamplingOptions, Schedule, Sharding, Solver
from audiogen_jax.infer.requests import (
    Clip,
    ClipError,
    Prompt,
    Request,
    batches,
    check_durations,
    check_ids,
    check_seed,
    check_seeds,
    padded_frames,
    parse_prompts,
)
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.infer.separator_editing import SeparatorEditor
from audiogen_jax.infer.source import Source, encode_source
from audiogen_jax.infer.stem_editing import StemEditor
from audiogen_jax.infer.submitted import Submitted
from audiogen_jax.infer.token_sampling import sample_tokens
from audiogen_jax.infer.understand import Understanding
from audiogen_jax.models.prompting import PromptInputs
from audiogen_jax.timeline import AnyTimeline, parse_timelines
from audiogen_jax.types import Device, FrameMask, Latents, compute_dtype, parse_dtype


class Pipeline(Inputs):
    """A generator with its prompts' tokenizer and its audio codec.

    Attributes:
      generator: the model.
      codec: waveforms <-> latents.
      loaded: what both were read from.
    """

    def __init__(self, loaded: LoadedGenerator, mesh: Mesh | None = None, base: Self | None = None):
        """Takes a checkpoint over; see `load`.

        Args:
          loaded: a generator with everything that it names.
          mesh: of its devices, see `inference_mesh`; the first one if None.
          base: what it is a form of, which says how long clips are.
        """
        self.generator = loaded.generator
        self.loaded = loaded
        self._sampler = Sampler(loaded.generator, loaded.params, mesh)
        self.codec = Codec(loaded.codec, self._sampler.mesh)
        self.inputs = InputRequestMaker(self._sampler, self.codec, loaded.reader)
        texts = loaded.tokenize, loaded.lost_views
        makers = self.inputs, base and base._requests
        self._requests = RequestMaker(self._sampler, *texts, self.codec, *makers)

    @classmethod
    def load(
        cls,
        source: str | Path = "nano",
        *,
        revision: str | None = None,
        dtype: str | DTypeLike = "float32",
        param_dtype: str | DTypeLike = "float32",
        devices: Sequence[Device] | None = None,
        sharding: Sharding = "dp",
    ) -> Self:
        """Loads a generator; see `load` of the package for the arguments.

        The text tokenizer is read when the first prompt is, so that a folder without one still
        samples from token ids (unless the checkpoint trained embeddings of special tokens).

        Raises:
          ValueError: there is no such checkpoint, or it does not hold what it should.
        """
        mesh = inference_mesh(devices, sharding)
        loaded = load_generator(
            source,
            revision=revision,
            dtype=compute_dtype(dtype),
            param_dtype=parse_dtype(param_dtype, "param_dtype"),
            put=jax.device_put if sharding == "dp" else on_host,
        )
        return cls(loaded, mesh)

    def checkpoint_sha256(self) -> str:
        """One hash over the files of the checkpoint, its text encoder and its codec."""
        return checkpoint_sha256(*self.loaded.folders)

    def for_options(self, options: SamplingOptions) -> "Pipeline":
        """The form of the generator for so few steps, where it has one and nothing is against it.

        That is what `few_steps.safetensors` makes of it, for `FEW` steps under one guidance scale
        by the solver that suits it; else this pipeline.
        """
        takes = options.steps in (None, *FEW) and not options.beyond("flow_map")
        return self._few_steps or self if takes else self

    def settled(self, options: SamplingOptions, from_source: bool = False) -> SamplingOptions:
        """The same with the number of steps that this model takes, from noise or from a source."""
        form = self if from_source else self.for_options(options)
        return options.settled(form.generator.distilled)

    @functools.cached_property
    def _few_steps(self) -> "Pipeline | None":
        return self._of_form(FEW_STEPS)

    def _of_form(self, file: str) -> "Pipeline | None":
        usual = not (self.generator.distilled or self.generator.edits)
        if not usual or not (self.loaded.folders[0] / file).is_file():
            return None
        return type(self)(load_form(self.loaded, file), self._sampler.mesh, self)

    @functools.cached_property
    def stem_editor(self) -> StemEditor | None:
        texts = self.loaded.tokenize, self.loaded.lost_views
        if self.generator.edits:
            return LatentEditor(self._sampler, self.codec, *texts, self.run)
        if (editor := self._of_form(EDITOR)) is not None:
            return editor.stem_editor
        beside = None if self.generator.distilled else separator_beside(self.loaded)
        return beside and SeparatorEditor(*beside, self.codec, *texts, self)

    def generate(
        self,
        prompts: Prompt | None | Sequence[Prompt | None],
        seed: int = 0,
        steps: int | None = None,
        guidance: float = 5.0,
        duration: float | Sequence[float | None] | None = None,
        solver: Solver = "euler",
        schedule: Schedule = "sway",
        ids: Sequence[str] | None = None,
        *,
        negative: Prompt | None = None,
        view_guidance: Mapping[str, float] | None = None,
        guidance_interval: tuple[float, float] = (0.0, 1.0),
        guidance_rescale: float = 0.0,
        shift: float = 1.0,
        source: Source | None = None,
        timeline: AnyTimeline | Sequence[AnyTimeline | None] | None = None,
        transcript: str | None = None,
        voice: AudioInput | None = None,
        voice_text: str | None = None,
        audio: AudioInput | None = None,
        video: str | Path | None = None,
        compat: Literal["release"] | None = None,
    ) -> list[Clip]:
        """Generates one clip per prompt.

        The noise of a clip depends on `seed` and its id alone: a clip agrees to 1e-4 whatever
        is generated with it, and is identical bit for bit when the call is repeated. By default
        the id is the position in the list, so that equal prompts give different takes; to get
        the third clip of a list again by itself, pass ids=["2"].

        Args:
          prompts: tagged strings or StructuredCaptions; None where a timeline has all captions.
          seed: in [0, 2**32).
          steps, guidance, solver, schedule, negative, view_guidance, guidance_interval,
            guidance_rescale, shift, compat: see `SamplingOptions`.
          duration: seconds, for all or one per prompt; None lets the model decide, or takes that
            of `source`, or of captions in the timeline. Beyond what the model was trained on,
            overlapping windows are blended.
          ids: one name per prompt, all different.
          source: real audio to keep parts of, to continue or to vary. What is kept is that audio
            itself, to the bit, and the clip has its rate and channels.
          timeline: what sounds when, and captions of stretches of a clip, see
            `audiogen_jax.timeline`; for all or one per prompt.
          transcript, voice, voice_text, audio, video: of every clip, see `PromptInputs`; for models
            that read more than captions. With a transcript or a video the prompt may be None.

        Raises:
          ValueError: a bad argument, or a clip that came out silent or not finite, named.
        """
        options = SamplingOptions(
            steps=steps,
            guidance=guidance,
            schedule=schedule,
            solver=solver,
            negative=negative.format() if isinstance(negative, StructuredCaption) else negative,
            view_guidance=view_guidance or {},
            guidance_interval=guidance_interval,
            guidance_rescale=guidance_rescale,
            shift=shift,
            compat=compat,
        )
        check_seed(seed)
        if source is not None and duration is None:
            duration = len(source.audio) / (source.sample_rate or self.codec.sample_rate)
        if any(each is not None for each in (transcript, voice, voice_text, audio, video)):
            if source is not None or timeline:
                raise ValueError("a source or a timeline goes with captions alone")
            captions = [None] if prompts is None else parse_prompts(prompts)
            sounds = [None if s is None else as_sound(s, None) for s in (voice, audio)]
            given = transcript, sounds[0], voice_text, sounds[1], video
            asked, pipeline = [PromptInputs(caption, *given) for caption in captions], self
            seconds = check_durations(duration, len(asked), self.generator.latent_rate)
            requests = self.inputs.make(check_ids(ids, len(asked)), asked, seconds, options)
        else:
            pipeline = self if source is not None else self.for_options(options)
            requests = pipeline.requests(prompts, ids, duration, options, timeline=timeline)
        clips: dict[str, Clip] = {}
        for batch in batches(requests):
            for clip in self.collect(pipeline.submit(batch, seed, options, source)):
                if isinstance(clip, ClipError):
                    raise clip
                clips[clip.id] = clip
        return [clips[request.id] for request in requests]

    def requests(
        self,
        prompts: Prompt | None | Sequence[Prompt | None],
        ids: Sequence[str] | None = None,
        duration: float | Sequence[float | None] | None = None,
        options: SamplingOptions | None = None,
        categories: Sequence[str | None] | None = None,
        timeline: AnyTimeline | Sequence[AnyTimeline | None] | None = None,
    ) -> list[Request]:
        """Prompts conditioned, with the length of each clip; the model decides those not given.

        Conditions wait on the devices, about a MB for each clip at the published size.

        Args:
          prompts, ids, duration, timeline: as in `generate`.
          options: those that `submit` will get; the defaults if None.
          categories: of each prompt, passed on to its clip.

        Raises:
          ValueError: a bad argument, or a predicted length that is out of range; the clip is named.
        """
        captions = parse_prompts(prompts)
        count = len(captions)
        rows = zip(
            check_ids(ids, count),
            captions,
            parse_timelines(timeline, count),
            check_durations(duration, count, self.generator.latent_rate),
            categories or [None] * count,
            strict=True,
        )
        options = options or SamplingOptions()
        options.guidance_of(self.generator.distilled)  # refuses what such a model cannot do
        return self._requests.make([Asked(*row) for row in rows], options)

    def submit(
        self,
        batch: Sequence[Request],
        seed: int | Sequence[int],
        options: SamplingOptions,
        source: Source | None = None,
    ) -> Submitted:
        """Starts a batch and returns while the devices work on it.

        Args:
          batch: clips of about the same length, from `batches`; filled up with copies of the last.
          seed: in [0, 2**32), of all clips or of each.
          options: those that `requests` got.
          source: real audio to start from.

        Raises:
          ValueError: a bad argument.
        """
        seeds = check_seeds(seed, len(batch))
        options = options.in_few_steps(self.generator.distilled)
        filling = self._sampler.padded_rows(len(batch)) - len(batch)
        rows = [*batch, *[batch[-1]] * filling]
        lengths = np.array([row.frames for row in rows])
        frames = padded_frames(int(lengths.max()), self.generator.window)
        keys = clip_keys([*seeds, *seeds[-1:] * filling], [row.id for row in rows])
        edit, sigma = None, 1.0
        if source is not None:
            edit, sigma = encode_source(source, self.codec, lengths, frames), source.noise_level
        windows = None
        if batch[0].windows is not None:
            windows = stack_windows([row.windows for row in rows if row.windows is not None])
        latents = self._sampler.sample(
            [row.padded_conditions() for row in rows],
            lengths,
            clip_noise(keys, frames, self.generator.latent_dim),
            options,
            edit=edit,
            sigma=sigma,
            windows=windows,
        )
        waveforms = self.codec.decode_each(latents, lengths)
        finite = jnp.isfinite(latents).all(axis=(1, 2))
        return Submitted(batch, seeds, waveforms, finite, source)

    def run(
        self, batch: Sequence[Request], seed: int, options: SamplingOptions, silent: bool
    ) -> list[Clip | ClipError]:
        return self.collect(self.submit(batch, seed, options), silent)

    def collect(self, submitted: Submitted, silent: bool = False) -> list[Clip | ClipError]:
        """Waits for a batch; in the place of a clip that is not finite, or silent, is an error."""
        waveforms, finite = jax.device_get((submitted.waveforms, submitted.finite))
        clips: list[Clip | ClipError] = []
        for row, request in enumerate(submitted.batch):
            kept = slice(request.lead, request.lead + request.samples)
            audio, rate = waveforms[row, kept].copy(), self.codec.sample_rate
            try:
                if not finite[row]:
                    raise ValueError(f"clip {request.id!r}: the sampled latents are not finite")
                if not silent:
                    check_audible(audio, f"clip {request.id!r}")
            except ValueError as error:
                clips.append(ClipError(request.id, str(error)))
                continue
            if submitted.source is not None:
                audio, rate = submitted.source.splice(audio, rate)
            clips.append(
                Clip(
                    audio,
                    rate,
                    request.id,
                    request.prompt,
                    submitted.seeds[row],
                    request.category,
                    request.lost_views,
                    request.timeline,
                )
            )
        return clips

    @functools.cached_property
    def understand(self) -> Callable[..., str]:
        """`Understanding.understand`, of a generator that answers questions too.

        Raises:
          ValueError: this one does not.
        """
        if self.loaded.language is None:
            raise ValueError(
                f"{self.loaded.folders[0]} generates and answers no questions: load a model that "
                "does with load_understanding"
            )
        return Understanding(self.loaded.language, self._sampler.mesh).understand

    def sample_latents(
        self,
        token_ids: ArrayLike,
        token_mask: ArrayLike,
        noise: ArrayLike | None = None,
        steps: int | None = None,
        guidance: float = 5.0,
        schedule: Schedule = "sway",
        compat: Literal["release"] | None = None,
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
        return sample_tokens(self._sampler, token_ids, token_mask, noise, options)
