"""Clips with their answers, and the pieces of them that are embedded."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32


class Event(NamedTuple):
    """What sounds from when to when.

    Attributes:
      start: seconds.
      end: seconds.
      answer: its class.
    """

    start: float
    end: float
    answer: str


@dataclasses.dataclass(frozen=True)
class LabelledClip:
    """A recording and what is right to say of it.

    Attributes:
      key: its name.
      samples: mono.
      sample_rate: Hz.
      split: number of the split or fold that it is in.
      answers: its classes, or its captions; empty where `events` say more.
      events: of tasks about frames.
      recording: what it was cut from, if that is known.
    """

    key: str
    samples: Float32[np.ndarray, " n"]
    sample_rate: int
    split: int
    answers: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    recording: str | None = None


def pieces(
    samples: Float32[np.ndarray, " n"], size: int | None, pad: bool
) -> Iterator[Float32[np.ndarray, " m"]]:
    """All consecutive crops of a clip; a last one that is not whole is dropped.

    Args:
      samples: of the clip.
      size: samples of a crop; None: the clip as it is.
      pad: a clip shorter than a crop is filled up with zeros, as X-ARES does, or left as it is.
    """
    if size is None:
        yield samples
    elif len(samples) < size:
        yield np.pad(samples, (0, size - len(samples))) if pad else samples
    else:
        for start in range(0, len(samples) - size + 1, size):
            yield samples[start : start + size]
