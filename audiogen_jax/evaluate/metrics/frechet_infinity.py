"""Frechet distance extrapolated to infinitely many clips."""

from typing import NamedTuple

import numpy as np

from audiogen_jax.evaluate.embedders.embedder import Embeddings, check_comparable
from audiogen_jax.evaluate.metrics.frechet import gaussian_distance, moments
from audiogen_jax.evaluate.metrics.inputs import sorted_rows, two_sets

SIZES = 15
"""Set sizes that the line goes through, as in Chong & Forsyth 2020."""


class FrechetInfinity(NamedTuple):
    """A line through Frechet distances over 1 / clips.

    Attributes:
      distance: at 1 / clips = 0.
      slope: of the line: bias times clips.
      r_squared: share of the variance that the line explains; near 0, distrust the distance.
      smallest: clips of the smallest set.
      largest: clips of the largest set, all that were generated.
    """

    distance: float
    slope: float
    r_squared: float
    smallest: int
    largest: int


def frechet_infinity(
    reference: Embeddings, generated: Embeddings, seed: int = 0, smallest: int | None = None
) -> FrechetInfinity:
    """FAD-inf (Gui et al. 2023, arXiv:2311.01616; Chong & Forsyth 2020): FD_n = FD_inf + b / n.

    The line is fitted by least squares to 15 evenly spaced n, each a random subset of the generated
    clips without repetition, whatever their order; all reference clips are used every time.

    Args:
      reference: m >= 2 clips.
      generated: n clips.
      seed: draws the subsets.
      smallest: clips of the smallest subset; by default max(n / 10, d + 1), as the bias is
        linear in 1 / n only for more clips than dimensions.

    Raises:
      ValueError: different embedders or widths, NaN, or fewer than twice `smallest` clips, where
        a line would say nothing.
    """
    check_comparable(reference, generated)
    x, y = two_sets(reference.values, generated.values, "embeddings", least=2)
    clips, width = y.shape
    least = max(clips // 10, width + 1) if smallest is None else smallest
    if not 2 <= least <= clips // 2:
        raise ValueError(
            f"{clips} clips of {width} dimensions, the smallest set {least}: extrapolation "
            "needs sets of at least 2 and twice as many clips; generate more, or name `smallest`"
        )
    rng = np.random.default_rng(seed)
    y, real = sorted_rows(y), moments(sorted_rows(x))
    sizes = np.linspace(least, clips, SIZES).astype(int)
    subsets = (y[np.sort(rng.permutation(clips)[:size])] for size in sizes)
    distances = np.array([gaussian_distance(real, moments(subset)) for subset in subsets])
    slope, intercept = np.polyfit(1.0 / sizes, distances, 1)
    residual = distances - (intercept + slope / sizes)
    spread = np.square(distances - distances.mean()).sum()
    explained = 1.0 - np.square(residual).sum() / spread if spread > 0 else 1.0
    return FrechetInfinity(float(intercept), float(slope), float(explained), least, clips)
