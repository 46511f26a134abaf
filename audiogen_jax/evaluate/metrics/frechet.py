"""Frechet distance between two sets of embeddings, and beside the floor of real clips."""

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.embedders.embedder import Embeddings, check_comparable

SPLITS = 20


def frechet_distance(a: Embeddings, b: Embeddings) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets (Dowson & Landau 1982, eq. 4).

    Small sets are biased upwards, so give it beside the distance of two halves of real clips.

    Args:
      a: n >= 2 clips.
      b: m >= 2 clips, by the same embedder.

    Raises:
      ValueError: different embedders or widths, or fewer than two embeddings in a set.
    """
    check_comparable(a, b)
    x, y = np.asarray(a.values, np.float64), np.asarray(b.values, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"embeddings {x.shape} and {y.shape}: expected [n d] and [m d], n, m > 1")
    difference = x.mean(0) - y.mean(0)
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    cov_x, cov_y = np.atleast_2d(cov_x), np.atleast_2d(cov_y)
    # tr sqrt(A B) = tr sqrt(sqrt(A) B sqrt(A)): symmetric, so eigh, which rank loss cannot break.
    root = _sqrt(cov_x)
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cov_y @ root), 0.0, None)).sum()
    return float(difference @ difference + np.trace(cov_x) + np.trace(cov_y) - 2.0 * cross)


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
