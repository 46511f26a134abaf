"""Edits of recordings by what is heard out of them and what is mixed into them.

A removal and an extraction sum to the recording. What is added is mixed into the recording, which
stays as it is wherever that is silent.
"""

import abc
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.ndimage
from jaxtyping import Float32

from audiogen_jax.edit_kinds import STEMS
from audiogen_jax.files.audio import convert
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.source import CROSSFADE_SECONDS
from audiogen_jax.models.prompting import Edit, Sound

ADDING = SamplingOptions(steps=25, guidance=3.0)
"""How new sounds are sampled."""
LISTENING = SamplingOptions(steps=1, guidance=1.0)
"""How models that sample listen: one step from noise gives the mean of what could be, which says
more about where energy is than a draw does, and costs a fraction of it."""
SILENT_DB = -40.0
"""Against the recording: a named sound that is heard more quietly is not in it."""
ATTENUATIONS_DB = (0.0, 3.0, 6.0, 9.0, 12.0)
MAX_CUT = 1e-3
"""Share of the samples that may be cut at full scale."""
_GATE_SECONDS, _GATE_DB = 0.02, -45.0
"""What is added counts as silent in frames of so many seconds so far below its loudest one."""


class Take(NamedTuple):
    """How an edit is sampled.

    Attributes:
      seed: that fixes the noise with the id.
      id: of the clip.
      options: as suits what is done if None.
    """

    seed: int
    id: str
    options: SamplingOptions | None


class StemEditor(abc.ABC):
    """Edits by stems.

    Attributes:
      codec: of the sounds that it makes.
    """

    codec: Codec

    @abc.abstractmethod
    def named(self, source: Sound, what: str, kept: bool, take: Take) -> Float32[np.ndarray, "n a"]:
        """What a recording holds of a sound that is `kept`, or taken away."""

    @abc.abstractmethod
    def shared(
        self, source: Sound, sounds: Mapping[str, str], take: Take
    ) -> list[Float32[np.ndarray, "n a"]]:
        """A recording shared out among sounds by their names; the stems sum to it."""

    @abc.abstractmethod
    def made(
        self,
        source: Sound,
        what: str,
        span: tuple[float, float] | None,
        replaced: Float32[np.ndarray, "n a"] | None,
        take: Take,
    ) -> Float32[np.ndarray, " m"]:
        """A sound to mix into a recording, from its start on, at the rate of the codec.

        Args:
          source: the recording.
          what: the sound.
          span: seconds in which it is wanted; None: wherever.
          replaced: the stem in whose place it comes; None: it is one more.
          take: of the edit.
        """

    def edit(
        self, edit: Edit, between: tuple[float, float] | None, take: Take
    ) -> Float32[np.ndarray, "n a"]:
        """Changes a recording, outside of some seconds not at all; see `Inputs.edit`."""
        _check(take.options)
        source = edit.source
        if edit.kind == "add":
            return self._with(source, edit.what, between, None, take)
        listening = take._replace(options=None) if edit.kind == "restyle" else take
        named = self.named(source, edit.what, edit.kind == "extract", listening)
        span = _heard(named, source)
        if span is None:
            warnings.warn(f"{edit.what!r} is not heard in the recording", stacklevel=3)
            return (
                np.zeros_like(source.samples) if edit.kind == "extract" else source.samples.copy()
            )
        named = named * inside(between, len(source.samples), source.sample_rate)
        if edit.kind == "extract":
            return named
        rest = source.samples - named
        if edit.kind == "remove":
            return rest
        assert edit.to is not None  # the edit says so
        span = span if between is None else between
        left = Sound(rest, source.sample_rate)
        return self._with(left, edit.to, span, named, take._replace(id=f"{take.id}/to"))

    def stems(self, source: Sound, take: Take) -> dict[str, Float32[np.ndarray, "n a"]]:
        """Voice, events, music and ambience of a recording; they sum to it."""
        _check(take.options)
        return dict(zip(STEMS, self.shared(source, STEMS, take), strict=True))

    def _with(
        self,
        source: Sound,
        what: str,
        span: tuple[float, float] | None,
        replaced: Float32[np.ndarray, "n a"] | None,
        take: Take,
    ) -> Float32[np.ndarray, "n a"]:
        """A recording with a sound more, which stays as it is where that is silent."""
        samples, rate = source.samples, source.sample_rate
        sound = self.made(source, what, span, replaced, take)
        added, _ = convert(sound[:, None], self.codec.sample_rate, rate, 1, "the added sound")
        added = np.pad(added[: len(samples)], ((0, max(0, len(samples) - len(added))), (0, 0)))
        added = added * inside(span, len(samples), rate) * _gate(added[:, 0], rate)[:, None]
        return _within_full_scale(added, samples)


def mono_at(source: Sound, rate: int) -> Float32[np.ndarray, " n"]:
    """One channel of a recording at a rate: the mean, or the loudest where that is cancelled."""
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


def _check(options: SamplingOptions | None) -> None:
    """Refuses what an instruction has no place for."""
    if options is not None and (options.negative is not None or options.view_guidance):
        raise ValueError("an edit takes neither a negative prompt nor view_guidance")


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
    """1 between two times, if there are any, 0 outside, and a fade inside at both ends.

    The fades take half of the time, at most.
    """
    if span is None:
        return np.ones((count, 1), np.float32)
    seconds = (np.arange(count) + 0.5) / rate
    depth = np.minimum(seconds - span[0], span[1] - seconds)
    fade = min(CROSSFADE_SECONDS, (span[1] - span[0]) / 4)
    return np.clip(depth / fade, 0, 1).astype(np.float32)[:, None]


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
