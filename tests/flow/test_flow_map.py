"""Which jumps of a trajectory a flow map learns."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiogen_jax.flow.flow_map import draw_jumps, strides_of
from audiogen_jax.flow.schedules import sway


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), power=st.integers(1, 5))
def test_jumps_lead_down_the_trajectory(seed: int, power: int):
    steps = 2**power
    strides = strides_of(steps, (steps, 2, 1))
    with jax.disable_jit():
        start, end = draw_jumps(jax.random.key(seed), (64,), steps, strides)
    assert (np.asarray(start) >= 0).all()
    assert (np.asarray(start) < np.asarray(end)).all()
    assert (np.asarray(end) <= steps).all()


def test_half_of_the_jumps_are_steps_of_the_samplers():
    start, end = draw_jumps(jax.random.key(0), (20_000,), 16, (2, 4, 8))
    length = np.asarray(end - start)
    on_grid = [np.mean((length == k) & (np.asarray(start) % k == 0)) for k in (2, 4, 8)]
    assert np.all(np.array(on_grid) > 1 / 6)
    assert 0.25 < np.mean(length == 1) < 0.35  # a quarter, and some of the free ones


@pytest.mark.parametrize("few", [2, 4, 8])
def test_levels_of_few_steps_are_some_of_those_of_many(few: int):
    np.testing.assert_allclose(sway(few), sway(16)[:: 16 // few], atol=1e-6)


@pytest.mark.parametrize("few", [(3,), (0,), (4, 32)])
def test_steps_that_miss_the_levels_are_refused(few: tuple[int, ...]):
    with pytest.raises(ValueError, match="divisors of trajectory_steps=16"):
        strides_of(16, few)
