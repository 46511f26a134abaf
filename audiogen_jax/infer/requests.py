"""What is asked of a generator and what comes back; grouping of clips of about one length."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.flow.windows import Windows
from audiogen_jax.infer.buckets import bucket
from audiogen_jax.models.protocols import Condition
from audiogen_jax.scalars import as_integer, as_number
from audiogen_jax.timeline import Timeline

MAX_BATCH = 8
"""Clips sampled together; longer lists run in batches of this size."""
MAX_SECONDS = 600.0
"""Longest clip: decoding holds all of it at once."""
SMALLEST_TEXT = 16
"""Tokens of the shortest bucket."""
SMALLEST_LATENTS = 32
"""Latent frames of the shortest bucket."""

Prompt = str | StructuredCaption


@dataclasses.dataclass
class Clip:
    """One generated clip, which may be changed.

    Attributes:
      audio: float32 [n], or [n a] if it has several channels.
      sample_rate: Hz.
      id: the clip's id, which with the seed fixes its noise.
      prompt: the tagged string it was generated from.
      seed: the seed.
      category: what the prompt's file says of it.
      lost_views: of the prompt, which has more tokens than the model reads.
      timeline: what sounds when, as it was asked for.
    """

    audio: Float[np.ndarray, "n ..."]
    sample_rate: int
    id: str
    prompt: str
    seed: int
    category: str | None = None
    lost_views: tuple[str, ...] = ()
    timeline: Timeline = ()


class ClipError(ValueError):
    """A clip that came out silent or not finite; `id` names it."""

    def __init__(self, id: str, message: str):
        super().__init__(message)
        self.id = id


@dataclasses.dataclass(frozen=True, eq=False)
class Request:
    """One clip to generate, its length known and its prompts conditioned.

    Attributes:
      id: fixes the noise, with the seed.
      prompt: tagged string.
      frames: latent frames to sample.
      samples: audio samples to keep of them.
      conditions: what `Sampler.sample` takes of each prompt of the clip, one after the other,
        waiting on the devices.
      category: what the prompt's file says of it.
      lost_views: of the prompt, see `Clip`.
      timeline: of the clip, see `Clip`.
      prompts: that it has, in different windows.
      timed: are times of what sounds among the conditions?
      windows: of the clip, if they have prompts of their own.
      lead: audio samples before those to keep.
    """

    id: str
    prompt: str
    frames: int
    samples: int
    conditions: Sequence[Condition] = dataclasses.field(repr=False)
    category: str | None = None
    lost_views: tuple[str, ...] = ()
    timeline: Timeline = ()
    prompts: int = 1
    timed: bool = False
    windows: Windows | None = dataclasses.field(default=None, repr=False)
    lead: int = 0

    def padded_conditions(self) -> list[Condition]:
        """The conditions, with those of the last prompt for others that batches of its kind have.

        So few programs are compiled.
        """
        each = len(self.conditions) // self.prompts
        missing = self.kind[2] - self.prompts
        return [*self.conditions, *[*self.conditions[-each:]] * missing]

    @property
    def kind(self) -> tuple[bool, bool, int]:
        """Clips of one kind can share a batch."""
        return self.timed, self.windows is not None, 1 << (self.prompts - 1).bit_length()


def batches(requests: Sequence[Request], size: int = MAX_BATCH) -> list[list[Request]]:
    """Groups clips of a kind and length; the same requests always give the same groups.

    Args:
      requests: clips of any length.
      size: clips per group, at most.
    """
    if size < 1:
        raise ValueError(f"batch size {size} must be at least 1")
    groups = []
    for kind in sorted({request.kind for request in requests}):
        alike = [request for request in requests if request.kind == kind]
        lengths = np.array([request.frames for request in alike])
        for _, rows in by_bucket(lengths, SMALLEST_LATENTS, size):
            groups.append([alike[row] for row in rows])
    return groups


def by_bucket(
    lengths: Int[np.ndarray, " b"], smallest: int, size: int
) -> Iterator[tuple[int, Int[np.ndarray, " rows"]]]:
    """Yields (bucket, indices of at most `size` items)."""
    buckets = np.array([bucket(int(length), smallest) for length in lengths])
    for width in np.unique(buckets):
        rows = np.flatnonzero(buckets == width)
        for start in range(0, len(rows), size):
            yield int(width), rows[start : start + size]


def padded_frames(frames: int, window: int) -> int:
    """Frames to sample for clips of at most so many: a bucket, or a whole number of hops."""
    if frames <= window:
        return min(bucket(frames, SMALLEST_LATENTS), window)
    hop = window // 2
    return window + -(-(frames - window) // hop) * hop


def parse_prompts(
    prompts: Prompt | None | Sequence[Prompt | None],
) -> list[StructuredCaption | None]:
    """The captions that tagged strings hold; a caption is one already, None stays.

    Raises:
      ValueError: there is none, or one is neither or malformed.
    """
    if isinstance(prompts, str | StructuredCaption):
        prompts = [prompts]
    captions: list[StructuredCaption | None] = []
    for prompt in prompts if np.iterable(prompts) else [prompts]:
        if not isinstance(prompt, str | StructuredCaption | None):
            raise ValueError(f"prompt {prompt!r}: expected a tagged string or a StructuredCaption")
        captions.append(StructuredCaption.parse(prompt) if isinstance(prompt, str) else prompt)
    if not captions:
        raise ValueError("no prompts: give at least one")
    return captions


def check_ids(ids: Sequence[str] | None, count: int) -> list[str]:
    """One id for each prompt, by default its position.

    Raises:
      ValueError: there are more or fewer, or two are the same.
    """
    if isinstance(ids, str):
        ids = [ids]
    names = [str(row) for row in range(count)] if ids is None else [str(name) for name in ids]
    if len(names) != count or len(set(names)) != count:
        raise ValueError(f"ids={names}: expected {count} different names, one for each prompt")
    return names


def check_durations(
    duration: float | Sequence[float | None] | None, count: int, latent_rate: float
) -> list[float | None]:
    """One duration in seconds for each prompt, checked; None where none is given."""
    durations: Sequence[object] = [duration] * count
    if np.iterable(duration) and not isinstance(duration, str):
        durations = list(duration)
    if len(durations) != count:
        raise ValueError(f"{len(durations)} durations for {count} prompts: give one for each")
    return [given if given is None else check_duration(given, latent_rate) for given in durations]


def check_duration(duration: object, latent_rate: float) -> float:
    """Seconds of a clip, checked."""
    seconds, shortest = as_number(duration), 1 / latent_rate
    if seconds is None or not shortest <= seconds <= MAX_SECONDS:
        raise ValueError(
            f"duration={duration} must be between {shortest:g} and {MAX_SECONDS:g} seconds"
        )
    return seconds


def check_seed(seed: int) -> int:
    """The seed as an int.

    Raises:
      ValueError: it is no integer in [0, 2**32).
    """
    number = as_integer(seed)
    if number is None or not 0 <= number < 2**32:
        raise ValueError(f"seed={seed!r} must be an integer in [0, 2**32)")
    return number


def check_seeds(seed: int | Sequence[int], count: int) -> list[int]:
    """A seed for each of some clips, of one for all or of as many.

    Raises:
      ValueError: there are more or fewer, or one is no integer in [0, 2**32).
    """
    seeds = [*seed] if isinstance(seed, Sequence) else [seed] * count
    if len(seeds) != count:
        raise ValueError(f"{len(seeds)} seeds for {count} clips: give one for each")
    return [check_seed(each) for each in seeds]
