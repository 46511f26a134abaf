"""Clips from more than captions, and edits of recordings of any length, rate and channels."""

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float32

from audiogen_jax.checkpoints.releases import AUDIO_OMNI, how_to_get
from audiogen_jax.files.audio import convert, read_audio
from audiogen_jax.infer.make_from_inputs import InputRequestMaker
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.requests import Clip, ClipError, Request, batches
from audiogen_jax.models.edit_kinds import EditKind
from audiogen_jax.models.prompting import Edit, PromptInputs, Sound

EDITING = SamplingOptions(steps=100, guidance=7.0, schedule="linear")
"""How the release edits."""
OVERLAP = 0.1
"""Of parts that a long recording is edited in, as a share of each: a second of ten."""


AudioInput: TypeAlias = str | Path | Sound | Clip
"""A file of sound, or sound at hand."""


class Inputs(abc.ABC):
    """Of a pipeline: clips from more than captions, and edits.

    Attributes:
      inputs: makes requests.
    """

    inputs: InputRequestMaker

    @abc.abstractmethod
    def run(
        self, batch: Sequence[Request], seed: int, options: SamplingOptions, silent: bool
    ) -> list[Clip | ClipError]:
        """Samples a batch; `silent` says whether clips may be."""

    def edit(
        self,
        kind: EditKind,
        audio: AudioInput | Float[np.ndarray, "n ..."],
        sample_rate: int | None = None,
        *,
        what: str,
        to: str | None = None,
        seed: int = 0,
        options: SamplingOptions = EDITING,
        id: str = "0",
    ) -> Clip:
        """Changes a recording by instruction.

        One that is longer than the model reads at once is edited in parts, which overlap by a
        second and are faded into one another.

        Args:
          kind: "add", "remove", "extract" or "restyle".
          audio: a file, a `Sound`, a `Clip`, or float samples [n] or [n a] at `sample_rate`.
          sample_rate: Hz of samples.
          what: the sound that is meant, such as "a dog barking".
          to: what it becomes, of "restyle".
          seed: in [0, 2**32).
          options: how to sample; by default as the release edits.
          id: of the clip, which fixes its noise with the seed.

        Returns:
          A clip of the recording's length, rate and channels. Nothing is made louder or quieter.

        Raises:
          OSError, ValueError: a bad argument, a file that cannot be read, or a model that edits
            nothing by instruction.
        """
        source = as_sound(audio, sample_rate)
        reader = self.inputs.reader
        if reader is None:
            raise ValueError(f"this model edits nothing by instruction: {how_to_get(AUDIO_OMNI)}")
        parts = _parts(source, reader.reference_seconds)
        names = [id, *(f"{id}/{i}" for i in range(1, len(parts)))]
        edits = [PromptInputs(edit=Edit(kind, what, part, to)) for _, part in parts]
        seconds = [len(part.samples) / source.sample_rate for _, part in parts]
        requests = self.inputs.make(names, edits, seconds, options)
        made: dict[str, Clip] = {}
        for batch in batches(requests):
            for clip in self.run(batch, seed, options, silent=True):
                if isinstance(clip, ClipError):
                    raise clip
                made[clip.id] = clip
        pieces = [_like(made[name], part) for name, (_, part) in zip(names, parts, strict=True)]
        joined = _joined(pieces, [start for start, _ in parts], source)
        return Clip(joined, source.sample_rate, id, edits[0].title, made[id].seed)


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


def _parts(source: Sound, longest: float) -> list[tuple[int, Sound]]:
    """First samples of the parts, and the parts; all but one have the full length."""
    rate, count = source.sample_rate, len(source.samples)
    size = int(longest * rate)
    if count <= size:
        return [(0, source)]
    hop = size - int(OVERLAP * size)
    starts = [*range(0, count - size, hop), count - size]
    return [(start, Sound(source.samples[start : start + size], rate)) for start in starts]


def _like(clip: Clip, part: Sound) -> Float32[np.ndarray, "n a"]:
    """A clip at the rate, in the channels and at the length of its source."""
    audio = clip.audio if clip.audio.ndim == 2 else clip.audio[:, None]
    count, channels = len(part.samples), part.channels
    audio, _ = convert(audio, clip.sample_rate, part.sample_rate, channels, "the edited clip")
    return np.pad(audio[:count], ((0, max(0, count - len(audio))), (0, 0)))


def _joined(
    pieces: Sequence[Float32[np.ndarray, "n a"]], starts: Sequence[int], source: Sound
) -> Float32[np.ndarray, "n ..."]:
    """Parts one after the other, each faded into the next where they overlap."""
    audio = np.zeros(source.samples.shape, np.float32)
    end = 0
    for start, piece in zip(starts, pieces, strict=True):
        weight = np.ones(len(piece), np.float32)
        over = end - start
        if over > 0:
            weight[:over] = (np.arange(over) + 0.5) / over
            audio[start:end] *= 1 - weight[:over, None]
        audio[start : start + len(piece)] += weight[:, None] * piece
        end = start + len(piece)
    return audio[:, 0] if source.channels == 1 else audio
