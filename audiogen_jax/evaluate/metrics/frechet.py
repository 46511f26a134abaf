"""Frechet distance between two sets of embeddings."""

import numpy as np
from jaxtyping import Float


def frechet_distance(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets (Dowson & Landau 1982, eq. 4).

    Small sets are biased upwards, so give it beside the distance of two halves of real clips.

    Args:
      a: embeddings [n d], n >= 2.
      b: embeddings [m d], m >= 2.

    Raises:
      ValueError: different widths, or fewer than two embeddings in a set.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"embeddings {a.shape} and {b.shape}: expected [n d] and [m d], n, m > 1")
    difference = a.mean(0) - b.mean(0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    cov_a, cov_b = np.atleast_2d(cov_a), np.atleast_2d(cov_b)
    # tr sqrt(A B) = tr sqrt(sqrt(A) B sqrt(A)): symmetric, so eigh, which rank loss cannot break.
    root = _sqrt(cov_a)
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cov_b @ root), 0.0, None)).sum()
    return float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2.0 * cross)


def _sqrt(matrix: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
