"""Intervals: against scipy's bootstrap, how often they hold the truth, and pairs."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from audiogen_jax.evaluate.metrics.bootstrap import bootstrap
from audiogen_jax.evaluate.metrics.frechet import frechet_distance
from audiogen_jax.evaluate.metrics.means import mean_difference, mean_of
from tests.evaluate.embedded import embedded


def test_as_scipy():
    values = np.random.default_rng(0).exponential(size=60)
    interval = bootstrap(lambda rows: values[rows].mean(), 60, draws=4000)
    together = bootstrap(lambda r: values[r].mean(axis=1), 60, draws=4000, vectorized=True)
    assert together == pytest.approx(interval, rel=1e-12)
    expected = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    assert interval.value == values.mean()
    width = expected.high - expected.low
    assert interval[1:] == pytest.approx((expected.low, expected.high), abs=0.05 * width)


def test_intervals_hold_the_truth():
    rng = np.random.default_rng(0)
    samples = [rng.normal(size=40) for _ in range(150)]
    held = [
        low <= 0 <= high
        for low, high in (bootstrap(lambda r, x=x: x[r].mean(), 40, draws=200)[1:] for x in samples)
    ]
    assert 0.88 <= np.mean(held) <= 0.99


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(9)))
def test_the_order_of_clips_changes_no_bit(order: list[int]):
    first, second = np.random.default_rng(0).normal(size=(2, 9))
    assert mean_of(first[order]) == mean_of(first)
    assert mean_difference(first[order], second[order]) == mean_difference(first, second)


def test_differences_are_of_pairs():
    """Clips differ much more than systems do, which pairs do not see."""
    rng = np.random.default_rng(0)
    first = 10 * rng.normal(size=50)
    second = first + 0.1 + 0.05 * rng.normal(size=50)
    difference, alone = mean_difference(second, first), mean_of(second)
    assert difference is not None and alone is not None
    assert 0 < difference.low < 0.1 < difference.high < 0.2
    assert alone.high - alone.low > 3
    assert difference.mean == pytest.approx(np.mean(second - first))
    pairs = mean_difference([1.0, np.inf, np.nan], [0.5, np.inf, 1.0])
    assert pairs == pytest.approx((0.5, np.nan, np.nan, 1), nan_ok=True)
    assert mean_difference([np.nan], [1.0]) is None
    with pytest.raises(ValueError, match="2 and 3 values"):
        mean_difference([1.0, 2.0], [1.0, 2.0, 3.0])


def test_the_interval_of_a_distance_is_around_it():
    rng = np.random.default_rng(0)
    x, y = embedded(rng.normal(size=(30, 6))), embedded(rng.normal(size=(25, 6)))

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return frechet_distance(x[a], y[b])

    plain = bootstrap(distance, 30, 25, draws=60)
    centred = bootstrap(distance, 30, 25, draws=60, centred=True)
    assert plain.low + plain.high > 2.5 * plain.value  # doubles alone do that
    assert centred.low < centred.value < centred.high
    assert centred.high - centred.low == pytest.approx(plain.high - plain.low)


def test_what_has_no_interval():
    for clips in ((), (0,), (3, 0)):
        with pytest.raises(ValueError, match="expected at least one"):
            bootstrap(lambda *rows: 0.0, *clips)
    with pytest.raises(ValueError, match="not finite"):
        bootstrap(lambda rows: np.nan, 3)
    # One clip says nothing of chance: an interval of no width would claim to know.
    assert mean_of([2.0]) == pytest.approx((2.0, np.nan, np.nan, 1), nan_ok=True)
    assert mean_of([2.0, 2.0]) == (2.0, 2.0, 2.0, 2)
    assert mean_of([]) is None
