"""Clips from more than captions, and edits of recordings of any length, rate and channels."""

import abc
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float32

from audiogen_jax.checkpoints.releases import AUDIO_OMNI, how_to_get
from audiogen_jax.edit_kinds import EditKind
from audiogen_jax.files.audio import convert, read_audio
from audiogen_jax.infer.make_from_inputs import InputRequestMaker
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.parts import joined, parts_of
from audiogen_jax.infer.requests import Clip, ClipError, Request, batches, check_seed
from audiogen_jax.infer.stem_editing import ADDING, LISTENING, StemEditor, Take, inside
from audiogen_jax.models.prompting import Edit, PromptInputs, Sound
from audiogen_jax.scalars import as_interval

EDITING = SamplingOptions(steps=100, guidance=7.0, schedule="linear")
"""How the release of Audio-Omni edits."""
NO_EDITOR = f"this model edits nothing by instruction: {how_to_get(AUDIO_OMNI)}"

AudioInput: TypeAlias = str | Path | Sound | Clip
"""A file of sound, or sound at hand."""


class Inputs(abc.ABC):
    """Of a pipeline: clips from more than captions, and edits.

    Attributes:
      inputs: makes requests.
    """

    inputs: InputRequestMaker

    @property
    @abc.abstractmethod
    def stem_editor(self) -> StemEditor | None:
        """Edits by stems: those of a separator, or of a generator that was trained to edit."""

    @abc.abstractmethod
    def run(
        self, batch: Sequence[Request], seed: int, options: SamplingOptions, silent: bool
    ) -> list[Clip | ClipError]:
        """Samples a batch; `silent` says whether clips may be."""

    @property
    def edits(self) -> bool:
        """Does the model change recordings by instruction?"""
        return self.stem_editor is not None or self.inputs.reader is not None

    def editing_options(self, kind: EditKind) -> SamplingOptions:
        """How `edit` samples by default; a restyling adds as additions do."""
        if self.stem_editor is None:
            return EDITING
        return LISTENING if kind in ("remove", "extract") else ADDING

    def edit(
        self,
        kind: EditKind,
        audio: AudioInput | Float[np.ndarray, "n ..."],
        sample_rate: int | None = None,
        *,
        what: str,
        to: str | None = None,
        between: tuple[float, float] | None = None,
        seed: int = 0,
        options: SamplingOptions | None = None,
        id: str = "0",
    ) -> Clip:
        """Changes a recording by instruction.

        One that is longer than the model reads at once is edited in parts, which overlap by a
        tenth and are faded into one another.

        Args:
          kind: "add", "remove", "extract" or "restyle".
          audio: a file, a `Sound`, a `Clip`, or float samples [n] or [n a] at `sample_rate`.
          sample_rate: Hz of samples.
          what: the sound that is meant, such as "a dog barking".
          to: what it becomes, of "restyle".
          between: seconds outside of which the recording stays as it is, to the bit ("extract":
            where nothing is left of it).
          seed: in [0, 2**32).
          options: how to sample; by default as suits the model.
          id: of the clip, which fixes its noise with the seed.

        Returns:
          A clip of the recording's length, rate and channels. Nothing is made louder or quieter.

        Raises:
          OSError, ValueError: a bad argument, a file that cannot be read, or a model that edits
            nothing by instruction.
        """
        edit = Edit(kind, what, as_sound(audio, sample_rate), to)
        between = _check_between(between, edit.source)
        seed = check_seed(seed)
        if self.stem_editor is not None:
            made = self.stem_editor.edit(edit, between, Take(seed, id, options))
        else:
            made = self._edit_by_inputs(edit, seed, options or EDITING, id)
            if between is not None:
                weight = inside(between, len(made), edit.source.sample_rate)
                outside = 0 if kind == "extract" else edit.source.samples
                made = np.where(weight > 0, weight * made + (1 - weight) * outside, outside)
        rate, title = edit.source.sample_rate, PromptInputs(edit=edit).title
        return Clip(_without_axis(made.astype(np.float32, copy=False)), rate, id, title, seed)

    def stems(
        self,
        audio: AudioInput | Float[np.ndarray, "n ..."],
        sample_rate: int | None = None,
        *,
        seed: int = 0,
        options: SamplingOptions | None = None,
        id: str = "0",
    ) -> dict[str, Clip]:
        """Shares a recording out among "voice", "events", "music" and "ambience".

        Args:
          audio, sample_rate, seed, options, id: as in `edit`.

        Returns:
          A clip of each, of the recording's length, rate and channels; they sum to it.

        Raises:
          OSError, ValueError: see `edit`.
        """
        source, seed = as_sound(audio, sample_rate), check_seed(seed)
        if self.stem_editor is None:
            raise ValueError(f"stems: {NO_EDITOR}")
        made = self.stem_editor.stems(source, Take(seed, id, options))
        return {
            name: Clip(_without_axis(stem), source.sample_rate, id, name, seed)
            for name, stem in made.items()
        }

    def _edit_by_inputs(
        self, edit: Edit, seed: int, options: SamplingOptions, id: str
    ) -> Float32[np.ndarray, "n a"]:
        """By a model whose prompts hold the recording."""
        source, reader = edit.source, self.inputs.reader
        if reader is None:
            raise ValueError(NO_EDITOR)
        parts = parts_of(source, reader.reference_seconds)
        names = [id, *(f"{id}/{i}" for i in range(1, len(parts)))]
        edits = [PromptInputs(edit=dataclasses.replace(edit, source=part)) for _, part in parts]
        seconds = [len(part.samples) / source.sample_rate for _, part in parts]
        requests = self.inputs.make(names, edits, seconds, options)
        made: dict[str, Clip] = {}
        for batch in batches(requests):
            for clip in self.run(batch, seed, options, silent=True):
                if isinstance(clip, ClipError):
                    raise clip
                made[clip.id] = clip
        pieces = [_like(made[name], part) for name, (_, part) in zip(names, parts, strict=True)]
        return joined(pieces, [start for start, _ in parts], len(source.samples))


def as_sound(audio: AudioInput | Float[np.ndarray, "n ..."], sample_rate: int | None) -> Sound:
    """Sound from a file, or at hand.

    Raises:
      OSError, ValueError: see `read_audio`; samples without a rate, or a rate beside one.
    """
    if isinstance(audio, str | Path):
        read = read_audio(audio, None, None)
        audio = Sound(read.samples, read.sample_rate)
    elif isinstance(audio, Clip):
        audio = Sound(audio.audio, audio.sample_rate)
    elif not isinstance(audio, Sound):
        if sample_rate is None:
            raise ValueError("samples need their sample_rate, in Hz")
        return Sound(audio, sample_rate)
    if sample_rate not in (None, audio.sample_rate):
        raise ValueError(f"sample_rate={sample_rate} of sound at {audio.sample_rate} Hz")
    return audio


def _like(clip: Clip, part: Sound) -> Float32[np.ndarray, "n a"]:
    """A clip at the rate, in the channels and at the length of its source."""
    audio = clip.audio if clip.audio.ndim == 2 else clip.audio[:, None]
    count, channels = len(part.samples), part.channels
    audio, _ = convert(audio, clip.sample_rate, part.sample_rate, channels, "the edited clip")
    return np.pad(audio[:count], ((0, max(0, count - len(audio))), (0, 0)))


def _without_axis(audio: Float32[np.ndarray, "n a"]) -> Float32[np.ndarray, "n ..."]:
    """[n] of one channel."""
    return audio[:, 0] if audio.shape[1] == 1 else audio


def _check_between(between: object, source: Sound) -> tuple[float, float] | None:
    if between is None:
        return None
    interval, seconds = as_interval(between), len(source.samples) / source.sample_rate
    if interval is None or not 0 <= interval[0] < min(interval[1], seconds):
        raise ValueError(
            f"between={between}: expected (start, end) in seconds, within the {seconds:g} s of the "
            "recording"
        )
    if not inside(interval, len(source.samples), source.sample_rate).any():
        raise ValueError(f"between={between}: no sample of the recording is there")
    return interval
