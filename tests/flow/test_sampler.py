"""Solvers, the loop around them and guidance, on equations with known solutions."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.flow.guidance import guide
from audiogen_jax.flow.sampler import sample, trajectory
from audiogen_jax.flow.schedules import linear, sway
from audiogen_jax.flow.solvers import SOLVERS

NOISE = np.random.default_rng(0).standard_normal((2, 5, 3), np.float32)


def growth(x, sigma):
    """dx/dsigma = x (1 + sigma): x(0) = x(1) exp(-1.5)."""
    return x * (1 + sigma)[:, None, None]


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_order_of_convergence(solver, order):
    exact = NOISE * np.exp(-1.5)
    errors = [
        np.abs(sample(growth, NOISE, linear(steps), solver=SOLVERS[solver]) - exact).max()
        for steps in (8, 16, 32)
    ]
    rates = np.log2(errors[:-1]) - np.log2(errors[1:])
    np.testing.assert_allclose(rates, order, atol=0.25)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_straight_flow_is_exact_in_one_step(solver):
    data = NOISE[::-1]
    out = sample(lambda x, sigma: NOISE - data, NOISE, sway(1), solver=SOLVERS[solver])
    np.testing.assert_allclose(out, data, atol=1e-6)


def test_one_evaluation_per_step():
    """25 steps call the model 25 times, at levels above 0 alone."""
    seen = []

    def velocity(x, sigma):
        jax.debug.callback(lambda s: seen.append(float(s[0])), sigma)
        return x

    jax.block_until_ready(sample(velocity, NOISE, sway(25)))
    jax.effects_barrier()
    np.testing.assert_allclose(sorted(seen, reverse=True), sway(25)[:-1], atol=1e-7)


def test_the_loop_is_traced_once():
    velocity = chex.assert_max_traces(growth, n=1)
    jax.jit(lambda noise: sample(velocity, noise, sway(25)))(NOISE)


def test_trajectory():
    states = trajectory(growth, NOISE, sway(4))
    assert states.shape == (5, *NOISE.shape)
    np.testing.assert_array_equal(states[0], NOISE)
    np.testing.assert_allclose(states[-1], sample(growth, NOISE, sway(4)), atol=1e-6)


def test_masked_frames_are_zero():
    mask = np.array([[True] * 5, [True, True, False, False, False]])
    out = sample(growth, np.where(mask[..., None], NOISE, np.nan), sway(3), mask)
    assert np.isfinite(out).all() and not out[1, 2:].any()
    np.testing.assert_allclose(out[1, :2], sample(growth, NOISE, sway(3))[1, :2], rtol=1e-6)


def test_the_state_is_float32():
    half = NOISE.astype(jnp.bfloat16)
    out = sample(lambda x, sigma: x.astype(jnp.bfloat16), half, sway(2))
    assert out.dtype == jnp.float32


def test_guidance():
    def velocity(x, sigma):
        assert x.shape[0] == sigma.shape[0] == 4  # unconditional clips first
        return jnp.concatenate([x[:2] * 0 + 1, x[2:] * 0 + 3])

    out = guide(velocity, 5.0)(NOISE, jnp.ones(2))
    np.testing.assert_array_equal(out, np.full_like(NOISE, 1 + 5 * (3 - 1)))
    np.testing.assert_array_equal(guide(velocity, 1.0)(NOISE, jnp.ones(2)), np.full_like(NOISE, 3))
