"""Cosines against scipy's, at any length of the vectors."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cosine

from audiogen_jax.evaluate.embedders.embedder import Embeddings
from audiogen_jax.evaluate.metrics.cosine import clap_scores, pair_cosines, speaker_similarities
from tests.evaluate.embedded import IDENTITY, embedded


@given(st.integers(0, 99), st.sampled_from([1e-200, 1e-3, 1.0, 1e200]))
def test_as_scipy_at_any_scale(seed: int, scale: float):
    a, b = np.random.default_rng(seed).normal(size=(2, 3, 5))
    expected = [1 - cosine(x, y) for x, y in zip(a, b, strict=True)]
    assert pair_cosines(a, b) == pytest.approx(expected, abs=1e-9)
    assert pair_cosines(scale * a, b) == pytest.approx(expected, abs=1e-9)
    assert speaker_similarities(embedded(a), embedded(b)) == pytest.approx(expected, abs=1e-9)


def test_ends_and_zeros():
    a = np.array([[3.0, 4.0], [1.0, 0.0]])
    assert pair_cosines(a, -2 * a) == pytest.approx([-1, -1])
    assert pair_cosines(a, [[4.0, 3.0], [0.0, 1.0]]) == pytest.approx([0.96, 0])
    with pytest.raises(ValueError, match="clip 1 is zero"):
        pair_cosines(a, [[1.0, 1.0], [0.0, 0.0]])


def test_the_towers_of_a_network_are_comparable():
    a, b = np.random.default_rng(0).normal(size=(2, 4, 6))
    text = Embeddings(a, dataclasses.replace(IDENTITY, layer="text projection", pooling="first"))
    assert np.array_equal(clap_scores(text, embedded(b)), pair_cosines(a, b))
    other = Embeddings(a, dataclasses.replace(IDENTITY, weights_sha256="01"))
    with pytest.raises(ValueError, match="expected one network"):
        clap_scores(other, embedded(b))
