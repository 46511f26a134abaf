"""Edits of recordings by a generator that reads their latents beside the text.

The model says what the named sound, and what is left of it, sound like; the recording itself is
shared out among the two (`infer.separation`), so that a removal and an extraction sum to it. What
is added is mixed into the recording, which stays as it is wherever that is silent.
"""

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import scipy.ndimage
from jaxtyping import Float32

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.checkpoints.family import Tokenize
from audiogen_jax.files.audio import convert
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.parts import joined, parts_of
from audiogen_jax.infer.prompts import condition_texts
from audiogen_jax.infer.requests import Clip, ClipError, Request, batches, padded_frames
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.infer.separation import separate
from audiogen_jax.infer.source import CROSSFADE_SECONDS
from audiogen_jax.input.edits.instructions import instruction
from audiogen_jax.models.edit_kinds import STEMS, EditKind
from audiogen_jax.models.prompting import Edit, Sound
from audiogen_jax.refiner.quotes import quotations
from audiogen_jax.timeline import Event, Timeline

ADDING = SamplingOptions(steps=25, guidance=3.0)
"""How new sounds are sampled."""
LISTENING = SamplingOptions(steps=1, guidance=1.0)
"""How copies that steer masks are: one step from noise gives their mean, which says more about
where energy is than a draw does, and costs a fraction of it."""
SILENT_DB = -40.0
"""Against the recording: a named sound whose copy is below is not in it."""
ATTENUATIONS_DB = (0.0, 3.0, 6.0, 9.0, 12.0)
MAX_CUT = 1e-3
"""Share of the samples that may be cut at full scale."""
_GATE_SECONDS, _GATE_DB = 0.02, -45.0
"""What is added counts as silent in frames of so many seconds so far below its loudest one."""
_Run = Callable[[Sequence[Request], int, SamplingOptions, bool], list[Clip | ClipError]]


@dataclasses.dataclass(frozen=True)
class LatentEditor:
    """A generator that `edits`, with what it stands on.

    Attributes:
      sampler: the generator, with its weights.
      codec: of the latents.
      tokenize: texts -> tokens padded to one length.
      run: samples a batch.
    """

    sampler: Sampler
    codec: Codec
    tokenize: Tokenize
    run: _Run

    def edit(
        self,
        edit: Edit,
        between: tuple[float, float] | None,
        seed: int,
        options: SamplingOptions | None,
        id: str,
    ) -> Float32[np.ndarray, "n a"]:
        """Changes a recording, outside of some seconds not at all; see `Inputs.edit`."""
        _check(options)
        source, adding = edit.source, options or ADDING
        if edit.kind == "add":
            return self._with(source, edit.what, between, seed, adding, id)
        listening = options or LISTENING
        kinds: tuple[EditKind, ...] = ("extract", "remove")
        asked: dict[str, tuple[EditKind, str]] = {
            f"{id}/{kind}": (kind, edit.what) for kind in kinds
        }
        named, rest = self._shared(source, asked, seed, listening)
        span = _heard(named, source)
        if span is None:
            warnings.warn(f"{edit.what!r} is not heard in the recording", stacklevel=3)
            return (
                np.zeros_like(source.samples) if edit.kind == "extract" else source.samples.copy()
            )
        weight = inside(between, len(source.samples), source.sample_rate)
        named = named * weight
        if edit.kind == "extract":
            return named
        rest = source.samples - named
        if edit.kind == "remove":
            return rest
        assert edit.to is not None  # the edit says so
        span = span if between is None else between
        return self._with(Sound(rest, source.sample_rate), edit.to, span, seed, adding, f"{id}/to")

    def stems(
        self, source: Sound, seed: int, options: SamplingOptions | None, id: str
    ) -> dict[str, Float32[np.ndarray, "n a"]]:
        """Voice, events, music and ambience of a recording; they sum to it."""
        _check(options)
        asked: dict[str, tuple[EditKind, str]] = {
            f"{id}/{name}": ("extract", what) for name, what in STEMS.items()
        }
        parts = self._shared(source, asked, seed, options or LISTENING)
        return dict(zip(STEMS, parts, strict=True))

    def _shared(
        self,
        source: Sound,
        asked: Mapping[str, tuple[EditKind, str]],
        seed: int,
        options: SamplingOptions,
    ) -> list[Float32[np.ndarray, "n a"]]:
        """The recording shared out among what edits would leave of it; see `_copies`."""
        copies = self._copies(_mono(source, self.codec.sample_rate), asked, seed, options)
        return separate(source.samples, source.sample_rate, copies, self.codec.sample_rate)

    def _copies(
        self,
        mono: Float32[np.ndarray, " n"],
        asked: Mapping[str, tuple[EditKind, str]],
        seed: int,
        options: SamplingOptions,
        span: tuple[float, float] | None = None,
    ) -> list[Float32[np.ndarray, " n"]]:
        """What the model makes of a recording, at the rate of the codec, part by part and together.

        Args:
          mono: the recording.
          asked: by ids, which fix the noise with the seed: what is done with which sound.
          seed, options: of all.
          span: seconds in which what is named sounds.
        """
        generator, rate = self.sampler.generator, self.codec.sample_rate
        parts = parts_of(Sound(mono, rate), generator.window / generator.latent_rate)
        timelines: list[Timeline] = []
        for first, part in parts:
            start, end = first / rate, (first + len(part.samples)) / rate
            timed = span is not None and generator.timeline and span[0] < end and start < span[1]
            event = None
            if timed and span is not None:
                event = Event(max(span[0] - start, 0.0), min(span[1], end) - start, "sfx")
            timelines.append(() if event is None else (event,))
        made = self._sample(
            [part.samples[:, 0] for _, part in parts], timelines, asked, seed, options
        )
        starts = [start for start, _ in parts]
        return [
            joined([piece[:, None] for piece in pieces], starts, len(mono))[:, 0] for pieces in made
        ]

    def _sample(
        self,
        parts: Sequence[Float32[np.ndarray, " n"]],
        timelines: Sequence[Timeline],
        asked: Mapping[str, tuple[EditKind, str]],
        seed: int,
        options: SamplingOptions,
    ) -> list[list[Float32[np.ndarray, " n"]]]:
        """Of everything that is asked, the results of all parts, each as long as its part."""
        generator = self.sampler.generator
        latents = [self.codec.encode_clip(self._long_enough(part)) for part in parts]
        frames = [max(len(each), generator.min_frames) for each in latents]
        longest = padded_frames(max(frames), generator.window)
        source = np.zeros((len(parts), longest, generator.latent_dim), np.float32)
        for row, each in zip(source, latents, strict=True):
            row[: len(each)] = each
        rows = [(name, part) for name in asked for part in range(len(parts))]
        texts = [_caption(*asked[name]).format() for name, _ in rows]
        timed = any(timelines)
        times = [[timelines[part] for _, part in rows]] if timed else []
        tokens = self.tokenize(texts, *times)
        tokens = tokens._replace(source=source[[part for _, part in rows]])
        conditions = condition_texts(self.sampler, tokens)
        requests = [
            Request(
                f"{name}/{part}", text, frames[part], len(parts[part]), [condition], timed=timed
            )
            for (name, part), text, condition in zip(rows, texts, conditions, strict=True)
        ]
        results = {}
        for batch in batches(requests):
            for clip in self.run(batch, seed, options, True):
                if isinstance(clip, ClipError):
                    raise clip
                results[clip.id] = clip.audio if clip.audio.ndim == 1 else clip.audio.mean(axis=1)
        return [[results[f"{name}/{part}"] for part in range(len(parts))] for name in asked]

    def _long_enough(self, audio: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " m"]:
        return np.pad(audio, (0, max(0, self.codec.min_samples - len(audio))))

    def _with(
        self,
        source: Sound,
        what: str,
        span: tuple[float, float] | None,
        seed: int,
        options: SamplingOptions,
        id: str,
    ) -> Float32[np.ndarray, "n a"]:
        """A recording with a sound more, which stays as it is where that is silent."""
        samples, rate = source.samples, source.sample_rate
        mono = _mono(source, self.codec.sample_rate)
        (copy,) = self._copies(mono, {id: ("add", what)}, seed, options, span)
        added, _ = convert(copy[:, None], self.codec.sample_rate, rate, 1, "the added sound")
        added = np.pad(added[: len(samples)], ((0, max(0, len(samples) - len(added))), (0, 0)))
        added = added * inside(span, len(samples), rate) * _gate(added[:, 0], rate)[:, None]
        return _within_full_scale(added, samples)


def _check(options: SamplingOptions | None) -> None:
    """Refuses what an instruction has no place for."""
    if options is not None and (options.negative is not None or options.view_guidance):
        raise ValueError("an edit takes neither a negative prompt nor view_guidance")


def _caption(kind: EditKind, what: str) -> StructuredCaption:
    """As a model is trained with: the instruction, the named sound, and the words that it says."""
    words = " ".join(what[start:end] for start, end in quotations(what))
    return StructuredCaption(caption=instruction(kind, what), sfx=what, asr=words or None)


def _mono(source: Sound, rate: int) -> Float32[np.ndarray, " n"]:
    """One channel at the rate of the codec: the mean, or the loudest where that is cancelled."""
    samples = source.samples
    mean = samples.mean(axis=1, keepdims=True)
    powers = np.square(samples).mean(axis=0)
    if np.square(mean).mean() < 1e-3 * powers.max():
        mean = samples[:, [int(powers.argmax())]]
    return convert(mean, source.sample_rate, rate, 1, "the recording")[0][:, 0]


def _heard(named: Float32[np.ndarray, "n a"], source: Sound) -> tuple[float, float] | None:
    """Seconds from when to when a stem sounds; None if it does not."""
    powers = np.square(named).mean(axis=0)
    if not powers.mean() > 10 ** (SILENT_DB / 10) * np.square(source.samples).mean():
        return None
    sounding = np.flatnonzero(_gate(named[:, powers.argmax()], source.sample_rate))
    return sounding[0] / source.sample_rate, (sounding[-1] + 1) / source.sample_rate


def _gate(audio: Float32[np.ndarray, " n"], rate: int) -> Float32[np.ndarray, " n"]:
    """1 where a sound is heard, 0 where it is not, and a fade of a frame between."""
    size = max(1, round(_GATE_SECONDS * rate))
    count = -(-len(audio) // size)
    energies = np.square(np.pad(audio, (0, count * size - len(audio)))).reshape(count, size)
    energies = energies.mean(axis=1)
    heard = energies > 10 ** (_GATE_DB / 10) * energies.max(initial=0.0)
    heard = scipy.ndimage.binary_dilation(heard, iterations=2)
    centres = (np.arange(count) + 0.5) * size
    return np.interp(np.arange(len(audio)), centres, heard).astype(np.float32)


def inside(span: tuple[float, float] | None, count: int, rate: int) -> Float32[np.ndarray, "n 1"]:
    """1 between two times, if there are any, 0 outside, and a fade inside at both ends."""
    if span is None:
        return np.ones((count, 1), np.float32)
    seconds = (np.arange(count) + 0.5) / rate
    depth = np.minimum(seconds - span[0], span[1] - seconds)
    return np.clip(depth / CROSSFADE_SECONDS, 0, 1).astype(np.float32)[:, None]


def _within_full_scale(
    added: Float32[np.ndarray, "n 1"], samples: Float32[np.ndarray, "n a"]
) -> Float32[np.ndarray, "n a"]:
    """The sum, which passes full scale nowhere; the recording itself is made no quieter.

    What is added gets quieter as a whole until hardly a sample of the sum would pass; those that
    still do, as in a recording that is clipped there, are cut.
    """
    ceiling = max(1.0, float(np.abs(samples).max()))
    for decibels in ATTENUATIONS_DB:
        mixed = samples + np.float32(10 ** (-decibels / 20)) * added
        over = np.abs(mixed) > ceiling
        if over.mean() <= MAX_CUT:
            break
    if decibels or over.any():
        warnings.warn(
            f"what was added would pass full scale: it is {decibels:g} dB quieter, and "
            f"{int(over.sum())} samples are cut",
            stacklevel=4,
        )
    return np.clip(mixed, -ceiling, ceiling)
