"""Nearest neighbours, beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from audiogen_jax.evaluate.linear_evaluation.neighbours import (
    NEIGHBOURS,
    TEMPERATURE,
    neighbour_votes,
)

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 4
KNOWN = (RNG.normal(size=(60, 5)) + np.eye(4, 5)[LABELS]).astype(np.float32)
ASKED = RNG.normal(size=(20, 5)).astype(np.float32)


def test_votes():
    def weights(distances):
        return np.exp((1 - distances) / TEMPERATURE)

    other = KNeighborsClassifier(NEIGHBOURS, metric="cosine", weights=weights)
    expected = other.fit(KNOWN.astype(np.float64), LABELS).predict_proba(ASKED.astype(np.float64))
    np.testing.assert_allclose(neighbour_votes(KNOWN, LABELS, 3 * ASKED, 4), expected, atol=1e-6)


def test_too_few_to_ask():
    with pytest.raises(ValueError, match="9 training clips: 10 neighbours need more"):
        neighbour_votes(KNOWN[:9], LABELS[:9], ASKED, 4)
