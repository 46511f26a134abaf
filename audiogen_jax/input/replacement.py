"""Clips that cannot be read leave their places to the next ones of their set."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import grain
import numpy as np

from audiogen_jax.input.row_errors import check_tolerated


class Text(Protocol):
    """An example with a text."""

    @property
    def text(self) -> str: ...
    @property
    def clip_id(self) -> str: ...


Clip = TypeVar("Clip")
Example = TypeVar("Example", bound=Text)


class Loaded(NamedTuple, Generic[Example]):
    """An example, and why those whose place it has could not be read."""

    example: Example
    problems: tuple[str, ...]


class LoadOrReplace(Generic[Clip, Example]):
    """Loads the clip of a number, or the next one that can be read.

    Which one that is depends on the files alone: not on the number of processes or on restarts.
    """

    def __init__(
        self,
        clips: Sequence[Clip] | grain.sources.RandomAccessDataSource[Clip],
        load: Callable[[Clip, np.random.Generator], Example],
    ):
        """Args: the clips of a set, and what makes an example of a clip."""
        self._clips, self._load = clips, load
        self._problems: set[int] = set()

    def __call__(self, number: int, rng: np.random.Generator) -> Loaded[Example]:
        """The example of a clip, drawing from a generator.

        Raises:
          ValueError: too many clips of the set cannot be read.
        """
        problems = []
        for offset in range(len(self._clips)):
            chosen = (number + offset) % len(self._clips)
            try:
                example = self._load(self._clips[chosen], rng)
                _check_text(example)
                return Loaded(example, tuple(problems))
            except (ValueError, OSError) as error:
                problems.append(str(error))
                self._problems.add(chosen)
                count, total = len(self._problems), len(self._clips)  # of every worker for itself
                check_tolerated(count, total, "clips of a set", str(error))
        raise ValueError(f"no clip of {len(self._clips)} can be read; the first: {problems[0]}")


def _check_text(example: Text) -> None:
    try:
        example.text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"clip {example.clip_id!r}: its text is no Unicode ({error})") from error
