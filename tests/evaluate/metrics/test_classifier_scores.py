"""Inception score and divergences against scipy's entropies."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from audiogen_jax.evaluate.metrics.divergence import (
    PUBLISHED_EPSILON,
    bernoulli_divergence,
    sigmoid_divergence,
    softmax_divergence,
)
from audiogen_jax.evaluate.metrics.inception import inception_score


def logits(seed: int, clips: int = 20, classes: int = 7, scale: float = 3.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(clips, classes)) * scale


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.floats(0.1, 8.0), st.floats(-50, 50))
def test_as_scipy(seed: int, scale: float, offset: float):
    a, b = logits(seed, scale=scale), logits(seed + 100, scale=scale)
    p, q = scipy.special.softmax(a, axis=1), scipy.special.softmax(b, axis=1)
    divergence = softmax_divergence(a, b)
    assert divergence == pytest.approx(scipy.stats.entropy(p, q, axis=1), rel=1e-6)
    assert divergence.min() >= 0
    assert softmax_divergence(a + offset, b - offset) == pytest.approx(divergence, rel=1e-9)
    assert softmax_divergence(a, a) == pytest.approx(0, abs=1e-12)
    published = scipy.special.rel_entr(p, q + 1e-6).sum(axis=1)
    assert softmax_divergence(a, b, PUBLISHED_EPSILON) == pytest.approx(published, rel=1e-6)

    s, t = scipy.special.expit(a), scipy.special.expit(b)
    assert sigmoid_divergence(a, b) == pytest.approx(
        scipy.special.rel_entr(s, t).sum(axis=1), rel=1e-6
    )
    published = scipy.special.rel_entr(s, t + 1e-6).sum(axis=1)
    assert sigmoid_divergence(a, b, PUBLISHED_EPSILON) == pytest.approx(published, rel=1e-6)
    of_tag = scipy.stats.entropy(np.stack([s, 1 - s]), np.stack([t, 1 - t]))
    assert bernoulli_divergence(a, b) == pytest.approx(of_tag.sum(axis=1), rel=1e-6)

    marginal = np.broadcast_to(p.mean(axis=0), p.shape)
    expected = np.exp(scipy.stats.entropy(p, marginal, axis=1).mean())
    assert inception_score(a).mean == pytest.approx(expected, rel=1e-6)


def test_great_logits_are_exact():
    a, b = np.array([[1000.0, 0.0]]), np.array([[0.0, 1000.0]])
    assert softmax_divergence(a, b) == pytest.approx([1000])
    assert sigmoid_divergence(a, b) == pytest.approx([np.log(2) + 0.5 * np.log(0.5)])
    assert bernoulli_divergence(a, b) == pytest.approx([500])
    assert softmax_divergence(a, b, 1e-6) == pytest.approx([6 * np.log(10)])
    assert inception_score(np.array([[1000.0, 0.0], [0.0, 1000.0]])).mean == pytest.approx(2)


def test_the_published_sigmoid_score_may_be_negative():
    a, everything = np.zeros((1, 4)), np.full((1, 4), 20.0)
    assert sigmoid_divergence(a, everything)[0] < -1
    assert bernoulli_divergence(a, everything)[0] > 1
    with pytest.raises(ValueError, match="epsilon -1"):
        sigmoid_divergence(a, a, -1)


def test_inception_scores_of_splits():
    sure = 100.0 * np.tile(np.eye(4), (5, 1))
    assert inception_score(sure) == pytest.approx((4, 0, 1))
    assert inception_score(np.ones((20, 4)), 5) == pytest.approx((1, 0, 5))
    split = inception_score(logits(0), 4)
    assert 1 < split.mean < inception_score(logits(0)).mean and split.deviation > 0
    assert inception_score(logits(0), 4, seed=1) != split
    with pytest.raises(ValueError, match="of 20 clips: expected at least 22"):
        inception_score(logits(0), 11)
    with pytest.raises(ValueError, match="one class"):
        inception_score(logits(0, classes=1))
    with pytest.raises(ValueError, match="0 splits"):
        inception_score(logits(0), 0)
