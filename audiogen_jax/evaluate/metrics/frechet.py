"""Frechet distance between two sets of embeddings, and beside the floor of real clips."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.embedders.embedder import Embeddings, check_comparable
from audiogen_jax.evaluate.metrics.inputs import sorted_rows, two_sets

SPLITS = 20


def frechet_distance(a: Embeddings, b: Embeddings) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets (Dowson & Landau 1982, eq. 4).

    Small sets are biased upwards, so give it beside the distance of two halves of real clips.
    Defined for fewer clips than dimensions too, and for constant embeddings; in any order the same.

    Args:
      a: n >= 2 clips.
      b: m >= 2 clips, by the same embedder.

    Raises:
      ValueError: different embedders or widths, fewer than two embeddings in a set, or NaN.
    """
    check_comparable(a, b)
    x, y = two_sets(a.values, b.values, "embeddings", least=2)
    return gaussian_distance(moments(sorted_rows(x)), moments(sorted_rows(y)))


class Moments(NamedTuple):
    """Mean float [d] and unbiased covariance float [d d] of a set of embeddings."""

    mean: Float[np.ndarray, " d"]
    covariance: Float[np.ndarray, "d d"]


def moments(values: Float[np.ndarray, "n d"]) -> Moments:
    """Moments of n >= 2 embeddings."""
    return Moments(values.mean(0), np.atleast_2d(np.cov(values, rowvar=False)))


def gaussian_distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(A + B - 2 sqrt(A B)), not negative."""
    difference = a.mean - b.mean
    # tr sqrt(A B) = tr sqrt(sqrt(A) B sqrt(A)): symmetric, so eigh, which rank loss cannot break.
    root = _sqrt(a.covariance)
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ b.covariance @ root), 0.0, None)).sum()
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    return max(0.0, float(difference @ difference + traces - 2.0 * cross))


def frechet_beside_floor(
    generated: Embeddings, real: Embeddings, seed: int
) -> dict[str, float | int]:
    """Frechet distance to held-out clips and the floor, both between sets of the same size.

    The distance of finite samples grows as they shrink, so real clips are split in two at random
    20 times: half A against half B is the floor, half A against as many generated clips the
    distance.

    Args:
      generated: n >= 2 clips.
      real: m >= 4 held-out clips.
      seed: of the splits.
    """
    rng = np.random.default_rng(seed)
    size = min(len(real) // 2, len(generated))
    distances, floors = [], []
    for _ in range(SPLITS):
        order = rng.permutation(len(real))
        half, other = real[order[:size]], real[order[size : 2 * size]]
        drawn = generated[rng.permutation(len(generated))[:size]]
        floors.append(frechet_distance(half, other))
        distances.append(frechet_distance(half, drawn))
    return {
        "generated_to_real": float(np.mean(distances)),
        "real_to_real_floor": float(np.mean(floors)),
        "clips_per_set": size,
        "splits": SPLITS,
    }


def _sqrt(matrix: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
