"""Means of clips, with how far chance may have moved them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from audiogen_jax.evaluate.metrics.bootstrap import bootstrap


class Mean(NamedTuple):
    """A mean over some clips.

    Attributes:
      mean: of the finite values.
      low: of the 95 % interval; NaN of a single clip.
      high: of the 95 % interval.
      clips: how many values are finite.
    """

    mean: float
    low: float
    high: float
    clips: int


def mean_of(values: Sequence[float], seed: int = 0) -> Mean | None:
    """A mean with its 95 % interval by the percentile bootstrap, whatever the order of the values.

    Args:
      values: one of each clip; infinite ones and NaN count for nothing.
      seed: draws the resamples.

    Returns:
      None if no value is finite.
    """
    finite = np.asarray(values, np.float64)
    finite = np.sort(finite[np.isfinite(finite)])
    if not len(finite):
        return None
    interval = bootstrap(
        lambda rows: finite[rows].mean(axis=-1), len(finite), seed=seed, vectorized=True
    )
    return Mean(*interval, len(finite))


def mean_difference(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Mean | None:
    """By how much the first of two systems exceeds the second on the same clips (paired bootstrap).

    Args:
      first: one value of each clip.
      second: of the same clips in the same order; a pair that is not finite counts for nothing.
      seed: draws the resamples.

    Returns:
      Mean of first - second; None if no pair is finite.

    Raises:
      ValueError: different numbers of values.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values: expected those of the same clips")
    with np.errstate(invalid="ignore"):  # inf - inf
        return mean_of(np.subtract(first, second, dtype=np.float64).tolist(), seed)
