"""How far chance may have moved a Frechet distance, without a matrix of dimensions where few clips
are given."""

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.embedders.embedder import Embeddings
from audiogen_jax.evaluate.metrics.bootstrap import Interval, bootstrap
from audiogen_jax.evaluate.metrics.frechet import frechet_distance


def frechet_interval(
    reference: Embeddings, generated: Embeddings, seed: int = 0, draws: int = 100
) -> Interval:
    """The distance of two sets with its 95 % bootstrap interval, centred and not below 0.

    A resample is a weight for each clip, and tr sqrt(A B) is the sum of the singular values of the
    products of its centred clips (the nuclear norm of X Y'), so that each needs a decomposition of
    clips by clips; of more clips than dimensions, of dimensions by dimensions as the distance.

    Args:
      reference: m >= 2 clips.
      generated: n >= 2 clips.
      seed: draws the resamples.
      draws: how many.

    Raises:
      ValueError: see `frechet_distance`.
    """
    value = frechet_distance(reference, generated)
    x, y = (np.asarray(each.values, np.float64) for each in (reference, generated))
    centre = np.concatenate([x, y]).mean(axis=0)  # nearer to zero, products lose less to rounding
    x, y = x - centre, y - centre
    few = min(len(x), len(y)) < x.shape[1]
    products = (x @ x.T, y @ y.T, x @ y.T) if few else None

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        if products is None:
            return frechet_distance(reference[a], generated[b])
        times = np.bincount(a, minlength=len(x)), np.bincount(b, minlength=len(y))
        return _weighted(*products, times[0].astype(float), times[1].astype(float))

    drawn = bootstrap(distance, len(x), len(y), seed=seed, draws=draws, centred=True)
    shift = value - drawn.value  # of rounding
    low = max(0.0, drawn.low + shift)  # as the distance itself
    return Interval(value, low, max(low, drawn.high + shift))


def _weighted(
    xx: Float[np.ndarray, "m m"],
    yy: Float[np.ndarray, "n n"],
    xy: Float[np.ndarray, "m n"],
    a: Float[np.ndarray, " m"],
    b: Float[np.ndarray, " n"],
) -> float:
    """Frechet distance of clips that are there `a` and `b` times, of their products."""
    m, n = a.sum(), b.sum()
    means = a @ xx @ a / m**2, b @ yy @ b / n**2, a @ xy @ b / (m * n)
    spread = (a @ np.diagonal(xx) - m * means[0]) / (m - 1)
    spread += (b @ np.diagonal(yy) - n * means[1]) / (n - 1)
    there = np.ix_(a > 0, b > 0)
    centred = xy - (a @ xy / m)[None] - (xy @ b / n)[:, None] + means[2]
    scaled = np.sqrt(a)[:, None] * centred * np.sqrt(b)
    cross = np.linalg.svd(scaled[there], compute_uv=False).sum() / np.sqrt((m - 1) * (n - 1))
    return float(means[0] + means[1] - 2.0 * means[2] + spread - 2.0 * cross)
