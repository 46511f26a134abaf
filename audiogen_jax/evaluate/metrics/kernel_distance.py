"""Kernel distances of two sets of embeddings: KAD and KID."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from audiogen_jax.evaluate.embedders.embedder import Embeddings, check_comparable
from audiogen_jax.evaluate.metrics.bootstrap import Interval, bootstrap
from audiogen_jax.evaluate.metrics.inputs import sorted_rows, two_sets

KAD_SCALE = 100.0
"""What kadtk multiplies MMD^2 by before it prints a KAD."""


class Kernels(NamedTuple):
    """Kernel of every pair of clips: all that a kernel distance needs, in any resample too.

    Attributes:
      reference: float [m m].
      generated: float [n n].
      across: float [m n].
    """

    reference: Float[np.ndarray, "m m"]
    generated: Float[np.ndarray, "n n"]
    across: Float[np.ndarray, "m n"]

    def mmd2(self) -> float:
        """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3).

        Its expectation is 0 for sets of the same distribution, so that it may be negative.
        """
        m, n = self.across.shape
        return self._mmd2(np.ones(m), np.ones(n))

    def interval(self, seed: int = 0, draws: int = 2000) -> Interval:
        """MMD^2 with its 95 % bootstrap interval; a clip is never paired with its own double.

        Raises:
          ValueError: so few clips that one alone is drawn.
        """

        def resampled(a: Int[np.ndarray, " m"], b: Int[np.ndarray, " n"]) -> float:
            m, n = self.across.shape
            return self._mmd2(np.bincount(a, minlength=m), np.bincount(b, minlength=n))

        return bootstrap(resampled, *self.across.shape, seed=seed, draws=draws)

    def _mmd2(self, a: Float[np.ndarray, " m"], b: Float[np.ndarray, " n"]) -> float:
        """MMD^2 of clips that are there `a` and `b` times."""
        across = a @ self.across @ b / (a.sum() * b.sum())
        return float(_within(self.reference, a) + _within(self.generated, b) - 2.0 * across)


def gaussian_kernels(reference: Embeddings, generated: Embeddings) -> Kernels:
    """k(x, y) = exp(-|x - y|^2 / 2 s^2), s the median distance of two reference clips.

    As KAD (Chung et al. 2025, arXiv:2502.15602) has it, but s is of all pairs, where kadtk draws
    1000 of them.

    Args:
      reference: m >= 2 clips, not all the same.
      generated: n >= 2 clips.

    Raises:
      ValueError: different embedders or widths, fewer than two clips, NaN, or a median of zero.
    """
    x, y = _sets(reference, generated)
    centre = x.mean(axis=0)  # nearer to zero, squared distances lose less to rounding
    x, y = x - centre, y - centre
    within = _squared_distances(x, x)
    bandwidth = float(np.median(np.sqrt(within[np.triu_indices(len(x), 1)])))
    # Copies are this far from each other by rounding alone.
    if bandwidth <= 1e-7 * np.linalg.norm(x, axis=1).max():
        raise ValueError(
            "the median distance of two reference embeddings is zero: at least half of the "
            "reference are copies, and the Gaussian kernel has no bandwidth"
        )
    blocks = (within, _squared_distances(y, y), _squared_distances(x, y))
    return Kernels(*(np.exp(-block / (2.0 * bandwidth**2)) for block in blocks))


def polynomial_kernels(reference: Embeddings, generated: Embeddings) -> Kernels:
    """k(x, y) = (x . y / d + 1)^3, the kernel of KID (Binkowski et al. 2018, arXiv:1801.01401).

    Args:
      reference: m >= 2 clips.
      generated: n >= 2 clips.

    Raises:
      ValueError: different embedders or widths, fewer than two clips, or NaN.
    """
    x, y = _sets(reference, generated)
    blocks = (x @ x.T, y @ y.T, x @ y.T)
    return Kernels(*((block / x.shape[1] + 1.0) ** 3 for block in blocks))


def kernel_audio_distance(reference: Embeddings, generated: Embeddings) -> float:
    """KAD as kadtk prints it: 100 MMD^2 under `gaussian_kernels`, with its errors."""
    return KAD_SCALE * gaussian_kernels(reference, generated).mmd2()


def kernel_inception_distance(reference: Embeddings, generated: Embeddings) -> float:
    """KID of all clips at once: MMD^2 under `polynomial_kernels`, with its errors."""
    return polynomial_kernels(reference, generated).mmd2()


def _sets(
    reference: Embeddings, generated: Embeddings
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, "n d"]]:
    check_comparable(reference, generated)
    x, y = two_sets(reference.values, generated.values, "embeddings", least=2)
    return sorted_rows(x), sorted_rows(y)


def _squared_distances(
    x: Float[np.ndarray, "m d"], y: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "m n"]:
    norms = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)
    return np.maximum(norms - 2.0 * x @ y.T, 0.0)


def _within(kernel: Float[np.ndarray, "n n"], times: Float[np.ndarray, " n"]) -> float:
    """Mean over pairs of two different clips that are there `times`."""
    total, squares = times.sum(), np.square(times)
    pairs = total**2 - squares.sum()
    if pairs <= 0:  # one clip, drawn every time
        return np.nan
    return float((times @ kernel @ times - squares @ np.diagonal(kernel)) / pairs)
