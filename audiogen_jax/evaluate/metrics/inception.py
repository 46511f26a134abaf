"""Inception score: whether a classifier is sure of each clip, and the clips are of many classes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from audiogen_jax.evaluate.metrics.divergence import log_softmax
from audiogen_jax.evaluate.metrics.inputs import rows, sorted_rows


class InceptionScore(NamedTuple):
    """Scores of the splits of some clips.

    Attributes:
      mean: over the splits, from 1 to the number of classes.
      deviation: over the splits, of the population.
      splits: how many.
    """

    mean: float
    deviation: float
    splits: int


def inception_score(logits: ArrayLike, splits: int = 1, seed: int = 0) -> InceptionScore:
    """exp of the mean KL(p(class | clip) || p(class)) in nats (Salimans et al. 2016, section 4).

    Small sets score lower, and so do splits: compare scores of as many clips in as many splits.
    Published audio rows are of 10 splits of softmax over the logits of PANNs.

    Args:
      logits: [n k] of k >= 2 classes.
      splits: parts of equal size, to a clip, that are scored apart.
      seed: draws the parts, whatever the order of the clips.

    Raises:
      ValueError: fewer than two clips a split, one class, or NaN.
    """
    if splits < 1:
        raise ValueError(f"{splits} splits: expected at least one")
    values = sorted_rows(rows(logits, "logits", least=2 * splits))
    if values.shape[1] < 2:
        raise ValueError("logits of one class: an inception score needs two")
    order = np.random.default_rng(seed).permutation(len(values))
    scores = []
    for part in np.array_split(order, splits):
        log_p = log_softmax(values[np.sort(part)])
        p = np.exp(log_p)
        marginal = p.mean(axis=0)
        # A class that no clip may be has p = 0 and contributes nothing.
        log_marginal = np.log(marginal, out=np.zeros_like(marginal), where=marginal > 0)
        scores.append(np.exp((p * (log_p - log_marginal)).sum(axis=1).mean()))
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)), splits)
