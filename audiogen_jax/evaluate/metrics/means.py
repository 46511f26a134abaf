"""Means of clips, with how far chance may have moved them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

DRAWS = 2000


class Mean(NamedTuple):
    """A mean over some clips.

    Attributes:
      mean: of the finite values.
      low: of the 95 % interval.
      high: of the 95 % interval.
      clips: how many values are finite.
    """

    mean: float
    low: float
    high: float
    clips: int


def mean_of(values: Sequence[float], seed: int = 0) -> Mean | None:
    """A mean with its 95 % interval by the percentile bootstrap (Efron 1979).

    Args:
      values: one of each clip; infinite ones and NaN count for nothing.
      seed: draws the resamples.

    Returns:
      None if no value is finite.
    """
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return None
    rows = np.random.default_rng(seed).integers(len(finite), size=(DRAWS, len(finite)))
    low, high = np.percentile(finite[rows].mean(axis=1), [2.5, 97.5])
    return Mean(float(finite.mean()), float(low), float(high), len(finite))
