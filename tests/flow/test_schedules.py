"""Noise levels."""

import numpy as np
import pytest

from audiogen_jax.flow.schedules import SCHEDULES, linear, logistic, sway


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 7, 25, 100])
def test_levels_fall_from_noise_to_data(schedule, steps):
    levels = schedule(steps)
    assert levels.dtype == np.float32 and levels.shape == (steps + 1,)
    assert levels[0] == 1 and levels[-1] == 0
    assert np.all(np.diff(levels) < 0)


def test_sway_without_coefficient_is_linear():
    np.testing.assert_allclose(sway(10, 0.0), linear(10), atol=1e-7)


def test_negative_sway_steps_finely_near_the_noise():
    step = -np.diff(sway(25))
    assert step[0] < 0.1 * step[-1]
    np.testing.assert_allclose(sway(25), np.cos(np.pi / 2 * np.linspace(0, 1, 26)), atol=1e-6)


def test_logistic_levels_are_quantiles():
    levels = logistic(20, mean=0.7, scale=1.3)[1:-1].astype(np.float64)
    share = 1 / (1 + np.exp(-(np.log(levels / (1 - levels)) - 0.7) / 1.3))
    np.testing.assert_allclose(share, np.linspace(1, 0, 21)[1:-1], atol=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_no_steps(schedule):
    with pytest.raises(ValueError, match="steps=0 must be at least 1"):
        schedule(0)


def test_a_coefficient_that_turns_back():
    with pytest.raises(ValueError, match="coefficient=3.0 must be between"):
        sway(25, 3.0)
