"""What is asked of a generator and what comes back; grouping of clips of about one length."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.infer.buckets import bucket

MAX_BATCH = 8
"""Clips sampled together; longer lists run in batches of this size."""
MAX_SECONDS = 600.0
"""Longest clip: decoding holds all of it at once."""
SMALLEST_TEXT = 16
"""Tokens of the shortest bucket."""
SMALLEST_LATENTS = 32
"""Latent frames of the shortest bucket."""
_VIEWS_OF = {"speech": {"speech": None, "asr": None}}
"""What is left out of a caption without one of `GUIDED_VIEWS`, where that is more than itself."""

Prompt = str | StructuredCaption


@dataclasses.dataclass(frozen=True)
class Clip:
    """One generated clip.

    Attributes:
      audio: float32 [n].
      sample_rate: Hz.
      id: the clip's id, which with the seed fixes its noise.
      prompt: the tagged string it was generated from.
      seed: the seed.
    """

    audio: Float[np.ndarray, " n"]
    sample_rate: int
    id: str
    prompt: str
    seed: int


class ClipError(ValueError):
    """A clip that came out silent or not finite; `id` names it."""

    def __init__(self, id: str, message: str):
        super().__init__(message)
        self.id = id


@dataclasses.dataclass(frozen=True)
class Request:
    """One clip to generate, its length known.

    Attributes:
      id: fixes the noise, with the seed.
      prompt: tagged string.
      frames: latent frames to sample.
      samples: audio samples to keep of them.
    """

    id: str
    prompt: str
    frames: int
    samples: int


def batches(requests: Sequence[Request], size: int = MAX_BATCH) -> list[list[Request]]:
    """Groups clips of about the same length; the same requests always give the same groups.

    Args:
      requests: clips of any length.
      size: clips per group, at most.
    """
    if size < 1:
        raise ValueError(f"batch size {size} must be at least 1")
    lengths = np.array([request.frames for request in requests])
    return [
        [requests[row] for row in rows] for _, rows in by_bucket(lengths, SMALLEST_LATENTS, size)
    ]


def by_bucket(
    lengths: Int[np.ndarray, " b"], smallest: int, size: int
) -> Iterator[tuple[int, Int[np.ndarray, " rows"]]]:
    """Yields (bucket, indices of at most `size` items)."""
    buckets = np.array([bucket(int(length), smallest) for length in lengths])
    for width in np.unique(buckets):
        rows = np.flatnonzero(buckets == width)
        for start in range(0, len(rows), size):
            yield int(width), rows[start : start + size]


def tagged(prompt: Prompt) -> str:
    caption = StructuredCaption.parse(prompt) if isinstance(prompt, str) else prompt
    return caption.format()


def without(prompt: str, view: str) -> str:
    """The prompt with one part of the scene left out of its views (not of its caption)."""
    removed = _VIEWS_OF.get(view, {view: None})
    return dataclasses.replace(StructuredCaption.parse(prompt), **removed).format()


def check_ids(ids: Sequence[str] | None, count: int) -> list[str]:
    names = [str(row) for row in range(count)] if ids is None else [str(name) for name in ids]
    if len(names) != count or len(set(names)) != count:
        raise ValueError(f"ids={names}: expected {count} different names, one for each prompt")
    return names


def check_durations(
    duration: float | Sequence[float], count: int, latent_rate: float
) -> list[float]:
    """One duration in seconds for each prompt, checked."""
    durations = [duration] * count if isinstance(duration, int | float) else duration
    durations = [float(seconds) for seconds in durations]
    if len(durations) != count:
        raise ValueError(f"{len(durations)} durations for {count} prompts: give one for each")
    shortest = 1 / latent_rate
    for seconds in durations:
        if not shortest <= seconds <= MAX_SECONDS:
            raise ValueError(
                f"duration={seconds} must be between {shortest:g} and {MAX_SECONDS:g} seconds"
            )
    return durations
