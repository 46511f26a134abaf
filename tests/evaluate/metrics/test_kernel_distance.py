"""Kernel distances against scikit-learn's kernels and sums over pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel

from audiogen_jax.evaluate.metrics.kernel_distance import (
    gaussian_kernels,
    kernel_audio_distance,
    kernel_inception_distance,
    polynomial_kernels,
)
from tests.evaluate.embedded import embedded


def mmd2(kernel, x: np.ndarray, y: np.ndarray) -> float:
    def within(z: np.ndarray) -> float:
        return kernel(z, z)[~np.eye(len(z), dtype=bool)].mean()

    return within(x) + within(y) - 2 * kernel(x, y).mean()


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 20), st.integers(2, 20), st.integers(0, 99), st.floats(0.01, 100))
def test_as_scikit_learn(m: int, n: int, seed: int, scale: float):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(m, 8)) + 3, rng.normal(size=(n, 8)) * 1.5 + 3
    gamma = 1 / (2 * np.median(pdist(x)) ** 2)
    expected = mmd2(lambda a, b: rbf_kernel(a, b, gamma), x, y)
    distance = kernel_audio_distance(embedded(x), embedded(y))
    assert distance == pytest.approx(100 * expected, abs=1e-9)
    # The bandwidth follows the scale and does not see where the middle is.
    moved = kernel_audio_distance(embedded(scale * (x + 5)), embedded(scale * (y + 5)))
    assert moved == pytest.approx(distance, abs=1e-7)
    expected = mmd2(lambda a, b: polynomial_kernel(a, b, 3, 1 / 8, 1), x, y)
    assert kernel_inception_distance(embedded(x), embedded(y)) == pytest.approx(expected, rel=1e-9)


def test_by_hand():
    """Medians of 1: k of neighbours is e^-1/2, and the generated clips are both at 0."""
    x, y = embedded(np.array([[0.0], [1.0]])), embedded(np.zeros((2, 1)))
    near = np.exp(-0.5)
    assert gaussian_kernels(x, y).mmd2() == pytest.approx(near + 1 - (1 + near))
    assert polynomial_kernels(x, y).mmd2() == pytest.approx(1 + 1 - 2)


def test_unbiased_where_the_frechet_distance_is_not():
    rng = np.random.default_rng(0)
    pairs = (embedded(rng.normal(size=(2, 10, 32))[k]) for _ in range(100) for k in (0, 1))
    distances = [kernel_audio_distance(x, y) for x, y in zip(pairs, pairs, strict=True)]
    error = np.std(distances) / 10
    assert abs(np.mean(distances)) < 3 * error
    assert min(distances) < 0 < max(distances)


def test_the_interval_has_no_bias_by_doubles():
    rng = np.random.default_rng(0)
    x, y = embedded(rng.normal(size=(40, 4))), embedded(rng.normal(size=(30, 4)) + 2)
    kernels = gaussian_kernels(x, y)
    interval = kernels.interval(draws=400)
    assert interval.value == kernels.mmd2()
    assert interval.low < interval.value < interval.high
    middle = (interval.low + interval.high) / 2
    assert abs(middle - interval.value) < 0.2 * (interval.high - interval.low)
    two = gaussian_kernels(x[:2], y[:2])
    with pytest.raises(ValueError, match="not finite in every draw"):
        two.interval()


def test_a_reference_of_copies_has_no_bandwidth():
    rng = np.random.default_rng(0)
    y = embedded(rng.normal(size=(6, 4)))
    copies = np.repeat(rng.normal(size=(1, 4)), 6, axis=0)
    with pytest.raises(ValueError, match="median distance .* is zero"):
        kernel_audio_distance(embedded(copies), y)
    copies[0] += 1
    with pytest.raises(ValueError, match="median distance .* is zero"):
        kernel_audio_distance(embedded(copies), y)
    assert kernel_audio_distance(y, embedded(copies)) > 0
