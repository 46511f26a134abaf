"""Edits of recordings by a generator that reads their latents beside the text.

The model says what the named sound, and what is left of it, sound like; the recording itself is
shared out among the two (`infer.separation`).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.checkpoints.family import Tokenize
from audiogen_jax.edit_kinds import EditKind
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.parts import joined, parts_of
from audiogen_jax.infer.prompts import condition_texts, warn_of_lost
from audiogen_jax.infer.requests import Clip, ClipError, Request, batches, padded_frames
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.infer.separation import separate
from audiogen_jax.infer.stem_editing import ADDING, LISTENING, StemEditor, Take, mono_at
from audiogen_jax.input.edits.instructions import instruction
from audiogen_jax.models.prompting import Sound
from audiogen_jax.refiner.quotes import quotations
from audiogen_jax.timeline import Event, Timeline

_Run = Callable[[Sequence[Request], int, SamplingOptions, bool], list[Clip | ClipError]]


@dataclasses.dataclass(frozen=True)
class LatentEditor(StemEditor):
    """A generator that `edits`, with what it stands on.

    Attributes:
      sampler: the generator, with its weights.
      codec: of the latents.
      tokenize: texts -> tokens padded to one length.
      lost_views: a text -> those of its views that are cut off.
      run: samples a batch.
    """

    sampler: Sampler
    codec: Codec
    tokenize: Tokenize
    lost_views: Callable[[str], tuple[str, ...]]
    run: _Run

    def named(self, source: Sound, what: str, kept: bool, take: Take) -> Float32[np.ndarray, "n a"]:
        kinds: tuple[EditKind, ...] = ("extract", "remove")
        asked: dict[str, tuple[EditKind, str]] = {
            f"{take.id}/{kind}": (kind, what) for kind in kinds
        }
        return self._shared(source, asked, take)[0]

    def shared(
        self, source: Sound, sounds: Mapping[str, str], take: Take
    ) -> list[Float32[np.ndarray, "n a"]]:
        asked: dict[str, tuple[EditKind, str]] = {
            f"{take.id}/{name}": ("extract", what) for name, what in sounds.items()
        }
        return self._shared(source, asked, take)

    def made(
        self,
        source: Sound,
        what: str,
        span: tuple[float, float] | None,
        replaced: Float32[np.ndarray, "n a"] | None,
        take: Take,
    ) -> Float32[np.ndarray, " m"]:
        mono, options = mono_at(source, self.codec.sample_rate), take.options or ADDING
        return self._copies(mono, {take.id: ("add", what)}, take.seed, options, span)[0]

    def _shared(
        self, source: Sound, asked: Mapping[str, tuple[EditKind, str]], take: Take
    ) -> list[Float32[np.ndarray, "n a"]]:
        """The recording shared out among what edits would leave of it; see `_copies`."""
        mono, options = mono_at(source, self.codec.sample_rate), take.options or LISTENING
        copies = self._copies(mono, asked, take.seed, options)
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
        texts = [instruction_text(*asked[name]).format() for name, _ in rows]
        timed = any(timelines)
        times = [[timelines[part] for _, part in rows]] if timed else []
        tokens = self.tokenize(texts, *times)
        warn_of_lost(texts, tokens, self.lost_views)
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


def instruction_text(kind: EditKind, what: str) -> StructuredCaption:
    """As a model is trained with: the instruction, the named sound, and the words that it says."""
    words = " ".join(what[start:end] for start, end in quotations(what))
    return StructuredCaption(caption=instruction(kind, what), sfx=what, asr=words or None)
