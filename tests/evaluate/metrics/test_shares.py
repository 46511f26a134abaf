"""Wilson's interval: published values, and the share within it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.evaluate.metrics.shares import share_of


@pytest.mark.parametrize(
    ("hits", "clips", "low", "high"),
    [(15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)  # Newcombe 1998, table I, method 3
def test_published_intervals(hits: int, clips: int, low: float, high: float):
    share = share_of(hits, clips)
    assert (share.low, share.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_is_within(counts: tuple[int, int]):
    share = share_of(*counts)
    assert 0 <= share.low <= share.share <= share.high <= 1


@pytest.mark.parametrize(("hits", "clips"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts(hits: int, clips: int):
    with pytest.raises(ValueError, match=f"{hits} of {clips} clips"):
        share_of(hits, clips)
