"""Frechet distance against scipy's matrix root, and what infinitely many clips would have."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from audiogen_jax.evaluate.metrics.frechet import frechet_distance
from audiogen_jax.evaluate.metrics.frechet_infinity import SIZES, frechet_infinity
from tests.evaluate.embedded import embedded


def scipy_distance(x: np.ndarray, y: np.ndarray) -> float:
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(scipy.linalg.sqrtm(a @ b))
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * root))


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 16), st.integers(0, 99), st.floats(0.1, 10))
def test_as_scipy_and_with_the_square_of_the_scale(width: int, seed: int, scale: float):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(width, width))
    x, y = rng.normal(size=(60, width)) @ mixing, rng.normal(size=(50, width)) + 0.5
    distance = frechet_distance(embedded(x), embedded(y))
    assert distance == pytest.approx(scipy_distance(x, y), rel=1e-6)
    assert frechet_distance(embedded(y), embedded(x)) == pytest.approx(distance, rel=1e-9)
    scaled = frechet_distance(embedded(scale * x), embedded(scale * y))
    assert scaled == pytest.approx(scale**2 * distance, rel=1e-9)


def test_fewer_clips_than_dimensions():
    """The spectrum of the two centred sets' product, from singular values, is another way there."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 20)), rng.normal(size=(9, 20)) + 1
    a, b = (x - x.mean(0)) / np.sqrt(5), (y - y.mean(0)) / np.sqrt(8)
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()  # the nuclear norm of A^T B
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.square(a).sum() + np.square(b).sum()
    distance = frechet_distance(embedded(x), embedded(y))
    assert distance == pytest.approx(expected - 2 * cross, rel=1e-6)
    constant = frechet_distance(embedded(np.full((3, 4), 0.1)), embedded(np.full((5, 4), 0.6)))
    assert constant == pytest.approx(4 * 0.25)


def test_the_line_is_that_of_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 4)), rng.normal(size=(200, 4))
    y = y[sorted(range(200), key=lambda row: y[row].tobytes())]
    line = frechet_infinity(embedded(x), embedded(y), seed=3, smallest=20)
    draws = np.random.default_rng(3)
    sizes = np.linspace(20, 200, SIZES).astype(int)
    distances = [scipy_distance(x, y[draws.permutation(200)[:size]]) for size in sizes]
    fit = scipy.stats.linregress(1 / sizes, distances)
    assert line.distance == pytest.approx(fit.intercept, abs=1e-6)
    assert (line.slope, line.r_squared) == pytest.approx((fit.slope, fit.rvalue**2), rel=1e-6)
    assert (line.smallest, line.largest) == (20, 200)


def test_the_bias_of_few_clips_is_gone():
    """Of the same distribution FD is 0; of 400 clips of 16 dimensions it is not."""
    rng = np.random.default_rng(0)
    x, y = embedded(rng.normal(size=(20000, 16))), embedded(rng.normal(size=(400, 16)))
    biased, line = frechet_distance(x, y), frechet_infinity(x, y)
    assert line.r_squared > 0.9 and line.slope > 0
    assert abs(line.distance) < 0.2 * biased


def test_too_few_clips_for_a_line():
    rng = np.random.default_rng(0)
    few = embedded(rng.normal(size=(30, 16)))
    with pytest.raises(ValueError, match="30 clips of 16 dimensions, the smallest set 17"):
        frechet_infinity(few, few)
    assert frechet_infinity(few, few, smallest=5).smallest == 5
    with pytest.raises(ValueError, match="the smallest set 16"):
        frechet_infinity(few, few, smallest=16)
    constant = embedded(np.ones((40, 2)))
    assert frechet_infinity(constant, constant)[:3] == pytest.approx((0, 0, 1))
