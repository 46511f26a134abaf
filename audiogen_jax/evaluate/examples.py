"""What a suite gives to listen to: a few clips of each kind, for the HTML report."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

Samples = Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class Example:
    """Clips that belong together, such as a generated one and its reference.

    Attributes:
      title: its name, unique within a suite.
      clips: what each is ("generated", "real" …) -> mono audio, float [n].
      sample_rate: of all clips, Hz.
      prompt: what was asked for, if anything was.
      verdict: what was heard, or how it scored.
    """

    title: str
    clips: Mapping[str, Samples]
    sample_rate: int
    prompt: str = ""
    verdict: str = ""


def spread_rows(count: int, rows: int) -> list[int]:
    """So many numbers of rows at most, evenly from the first to the last."""
    return np.linspace(0, rows - 1, min(count, rows)).round().astype(int).tolist()


def examples_of(
    count: int,
    titles: Sequence[str],
    sources: Mapping[str, Sequence[Samples]],
    sample_rate: int,
    prompts: Sequence[str] = (),
    verdict: Callable[[int], str] = lambda row: "",
) -> list[Example]:
    """Some rows of what was measured, spread evenly from the first to the last.

    Args:
      count: how many, at most; 0 gives none and costs nothing.
      titles: a name of each row.
      sources: what the clips are -> the clip of each row.
      sample_rate: of all clips, Hz.
      prompts: what was asked for in each row; none if empty.
      verdict: row -> what is said of it; called for the chosen rows alone.
    """
    return [
        Example(
            titles[row],
            {name: clips[row] for name, clips in sources.items()},
            sample_rate,
            prompts[row] if prompts else "",
            verdict(row),
        )
        for row in spread_rows(count, len(titles))
    ]
