"""Edits of recordings by a generator that reads their latents beside the text.

The model says what the named sound, and what is left of it, sound like; the recording itself is
shared out among the two (`infer.separation`), so that a removal and an extraction sum to it. What
is added is mixed into the recording, which stays as it is wherever that is silent.
"""

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

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


class _Asked(NamedTuple):
    """One part of a recording and what is asked of it.

    Attributes:
      id: fixes the noise, with the seed.
      caption: says what.
      audio: at the rate of the codec.
      timeline: when what is named sounds, if that is asked for.
    """

    id: str
    caption: StructuredCaption
    audio: Float32[np.ndarray, " n"]
    timeline: Timeline


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
        source, adding = edit.source, options or ADDING
        if edit.kind == "add":
            return self._with(source, edit.what, between, seed, adding, id)
        listening = options or LISTENING
        named, rest = self._shared(source, ("extract", "remove"), edit.what, seed, listening, id)
        span = _heard(named, source)
        if span is None:
            warnings.warn(f"{edit.what!r} is not heard in the recording", stacklevel=3)
            return np.zeros_like(source.samples) if edit.kind == "extract" else source.samples
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
        mono = _mono(source, self.codec.sample_rate)
        copies = [
            self._copy(mono, "extract", what, seed, options or LISTENING, f"{id}/{name}")
            for name, what in STEMS.items()
        ]
        parts = separate(source.samples, source.sample_rate, copies, self.codec.sample_rate)
        return dict(zip(STEMS, parts, strict=True))

    def _shared(
        self,
        source: Sound,
        kinds: Sequence[EditKind],
        what: str,
        seed: int,
        options: SamplingOptions,
        id: str,
    ) -> list[Float32[np.ndarray, "n a"]]:
        """The recording shared out among what edits of some kinds would leave of it."""
        mono = _mono(source, self.codec.sample_rate)
        copies = [self._copy(mono, kind, what, seed, options, f"{id}/{kind}") for kind in kinds]
        return separate(source.samples, source.sample_rate, copies, self.codec.sample_rate)

    def _copy(
        self,
        mono: Float32[np.ndarray, " n"],
        kind: EditKind,
        what: str,
        seed: int,
        options: SamplingOptions,
        id: str,
        span: tuple[float, float] | None = None,
    ) -> Float32[np.ndarray, " n"]:
        """What a model makes of a recording, part by part, at the rate of the codec."""
        generator, rate = self.sampler.generator, self.codec.sample_rate
        sound = Sound(mono, rate)
        parts = parts_of(sound, generator.window / generator.latent_rate)
        caption, asked = _caption(kind, what), []
        for i, (first, part) in enumerate(parts):
            start, end = first / rate, (first + len(part.samples)) / rate
            timeline: Timeline = ()
            if span is not None and generator.timeline and span[0] < end and start < span[1]:
                times = max(span[0] - start, 0.0), min(span[1], end) - start
                timeline = (Event(*times, "sfx"),)
            asked.append(_Asked(f"{id}/{i}", caption, part.samples[:, 0], timeline))
        made = self._sample(asked, seed, options)
        pieces = [made[each.id][:, None] for each in asked]
        return joined(pieces, [start for start, _ in parts], len(mono))[:, 0]

    def _sample(
        self, asked: Sequence[_Asked], seed: int, options: SamplingOptions
    ) -> dict[str, Float32[np.ndarray, " n"]]:
        """The results by id, each as long as its part."""
        generator = self.sampler.generator
        latents = [self.codec.encode_clip(self._long_enough(each.audio)) for each in asked]
        frames = [max(len(each), generator.min_frames) for each in latents]
        source = np.zeros(
            (len(asked), padded_frames(max(frames), generator.window), generator.latent_dim),
            np.float32,
        )
        for row, each in zip(source, latents, strict=True):
            row[: len(each)] = each
        timelines = [each.timeline for each in asked]
        timed = any(timelines)
        texts = [each.caption.format() for each in asked]
        tokens = self.tokenize(texts, *([timelines] if timed else []))
        conditions = condition_texts(self.sampler, tokens._replace(source=source))
        requests = [
            Request(each.id, text, count, len(each.audio), [condition], timed=timed)
            for each, text, count, condition in zip(asked, texts, frames, conditions, strict=True)
        ]
        results = {}
        for batch in batches(requests):
            for clip in self.run(batch, seed, options, True):
                if isinstance(clip, ClipError):
                    raise clip
                results[clip.id] = clip.audio if clip.audio.ndim == 1 else clip.audio.mean(axis=1)
        return results

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
        copy = self._copy(mono, "add", what, seed, options, id, span)
        added, _ = convert(copy[:, None], self.codec.sample_rate, rate, 1, "the added sound")
        added = np.pad(added[: len(samples)], ((0, max(0, len(samples) - len(added))), (0, 0)))
        added = added * inside(span, len(samples), rate) * _gate(added[:, 0], rate)[:, None]
        return _within_full_scale(added, samples)


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
