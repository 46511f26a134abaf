"""How far chance may have moved a statistic of some clips."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

DRAWS = 2000


class Interval(NamedTuple):
    """A statistic with its 95 % interval.

    Attributes:
      value: of all clips.
      low: of the interval; NaN of a single clip, which says nothing of chance.
      high: of the interval.
    """

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[..., ArrayLike],
    *clips: int,
    seed: int = 0,
    draws: int = DRAWS,
    centred: bool = False,
    vectorized: bool = False,
) -> Interval:
    """The percentile bootstrap (Efron 1979): clips are drawn again, with replacement.

    `bootstrap(lambda a, b: frechet_distance(x[a], y[b]), len(x), len(y), draws=200, centred=True)`
    is a distance of two sets; a statistic of pairs is given the rows of one set for both.

    Args:
      statistic: of the rows int [n] of each set that are drawn; all of them once for the value.
      clips: how many each set has.
      seed: draws the rows.
      draws: how often.
      centred: moves the interval by the difference of the value and the mean of the draws. A clip
        drawn twice makes the distances of sets greater, which says nothing of the value.
      vectorized: the statistic takes rows int [draws n] and gives float [draws], which is faster.

    Raises:
      ValueError: a set without clips, no draws, or a statistic that is not finite.
    """
    if not clips or min(clips) < 1 or draws < 1:
        raise ValueError(f"{draws} draws of {clips} clips: expected at least one of each")
    every = [np.arange(n)[None] for n in clips]
    rng = np.random.default_rng(seed)
    rows = [rng.integers(n, size=(draws, n)) for n in clips]
    together = statistic if vectorized else _each(statistic)
    value = float(np.asarray(together(*every))[0])
    drawn = np.asarray(together(*rows), np.float64)
    if not np.isfinite([value, *drawn]).all():
        raise ValueError(f"the statistic is {value} of all clips, and not finite in every draw")
    if max(clips) == 1:
        return Interval(value, np.nan, np.nan)
    low, high = np.percentile(drawn, [2.5, 97.5]) + (value - drawn.mean() if centred else 0.0)
    return Interval(value, float(low), float(high))


def _each(statistic: Callable[..., ArrayLike]) -> Callable[..., ArrayLike]:
    return lambda *rows: np.array([statistic(*drawn) for drawn in zip(*rows, strict=True)])
