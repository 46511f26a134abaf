"""Solvers, the loop around them and guidance, on equations with known solutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.flow.guidance import Guidance, guide
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.schedules import linear, sway
from audiogen_jax.flow.solvers import SOLVERS, ab2, dpmpp2m, euler, unipc
from tests.trajectory import trajectory

NOISE = jnp.asarray(np.random.default_rng(0).standard_normal((2, 5, 3), np.float32))


def growth(x, sigma):
    """dx/dsigma = x (1 + sigma): x(0) = x(1) exp(-1.5)."""
    return x * (1 + sigma)


@pytest.mark.parametrize(
    ("solver", "order", "calls"),
    # dpmpp2m: second order but for a logarithm, as log-SNR steps at both ends never shrink.
    [("euler", 1, 1), ("midpoint", 2, 2), ("heun", 2, 2), ("ab2", 2, 1), ("dpmpp2m", 1.7, 1)],
)
@pytest.mark.parametrize("schedule", [linear, sway])
def test_order_of_convergence(solver, order, calls, schedule):
    exact = NOISE * np.exp(-1.5)
    plans = [SOLVERS[solver](schedule(steps)) for steps in (16, 128)]
    assert [plan.calls for plan in plans] == [16 * calls, 128 * calls]
    coarse, fine = (np.abs(sample(growth, NOISE, plan) - exact).max() for plan in plans)
    np.testing.assert_allclose(np.log(coarse / fine) / np.log(8), order, atol=0.25)


@pytest.mark.parametrize("schedule", [linear, sway])
def test_order_of_unipc(schedule):
    """On a faster equation: errors of `growth` drown in float32 before the order shows."""
    exact = NOISE * np.exp(-2 * np.sin(3.0))
    coarse, fine = (
        np.abs(sample(lambda x, s: 6 * x * jnp.cos(3 * s), NOISE, unipc(schedule(n))) - exact).max()
        for n in (64, 128)
    )
    np.testing.assert_allclose(np.log2(coarse / fine), 2, atol=0.15)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_straight_flow_is_exact_in_any_number_of_steps(solver):
    data = NOISE[::-1]
    for steps in (1, 2, 5):
        out = sample(lambda x, sigma: NOISE - data, NOISE, SOLVERS[solver](sway(steps)))
        np.testing.assert_allclose(out, data, atol=2e-6)


def test_dpmpp2m_is_the_formula_of_its_paper():
    sigmas = np.array([0.8, 0.7, 0.5, 0.35, 0.3])
    lambdas = np.log((1 - sigmas) / sigmas)
    x, data = np.asarray(NOISE, np.float64), []
    for i, sigma in enumerate(sigmas[:-1]):
        data.append(x - sigma * x * (1 + sigma))
        h = lambdas[i + 1] - lambdas[i]
        mixed = data[-1]
        if i:
            r = (lambdas[i] - lambdas[i - 1]) / h
            mixed = (1 + 1 / (2 * r)) * data[-1] - 1 / (2 * r) * data[-2]
        x = sigmas[i + 1] / sigma * x - (1 - sigmas[i + 1]) * np.expm1(-h) * mixed
    np.testing.assert_allclose(sample(growth, NOISE, dpmpp2m(sigmas)), x, rtol=2e-5, atol=1e-6)


def test_unipc_is_the_integral_of_a_line():
    """Each step corrected before the next: the data prediction is linear in lambda."""
    sigmas = np.array([0.8, 0.7, 0.5, 0.35, 0.3])
    lambdas = np.log((1 - sigmas) / sigmas)
    start, x, data = None, np.asarray(NOISE, np.float64), []

    def step(x, i, at_start, slope):
        u = np.linspace(lambdas[i], lambdas[i + 1], 20001)
        values = np.exp(u)[:, None] * np.stack([np.ones_like(u), u - lambdas[i]], 1)
        weights = sigmas[i + 1] * np.trapezoid(values, u, axis=0)
        return sigmas[i + 1] / sigmas[i] * x + weights[0] * at_start + weights[1] * slope

    for i, sigma in enumerate(sigmas[:-1]):
        velocity = x * (1 + sigma)
        if i:
            h = lambdas[i] - lambdas[i - 1]
            x = step(start, i - 1, data[-1], (x - sigma * velocity - data[-1]) / h)
        data.append(x - sigma * velocity)
        slope = (data[-1] - data[-2]) / h if i else 0.0
        start, x = x, step(x, i, data[-1], slope)
    np.testing.assert_allclose(sample(growth, NOISE, unipc(sigmas)), x, rtol=2e-5, atol=1e-6)


def test_one_evaluation_per_step():
    """25 steps call the model 25 times, at levels above 0 alone."""
    seen = []

    def velocity(x, sigma):
        jax.debug.callback(lambda s: seen.append(float(s)), sigma)
        return x

    jax.block_until_ready(sample(velocity, NOISE, euler(sway(25))))
    jax.effects_barrier()
    np.testing.assert_allclose(sorted(seen, reverse=True), sway(25)[:-1], atol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_loop_is_traced_once(solver):
    traces = []

    def velocity(x, sigma):
        traces.append(x)
        return -x

    plan = SOLVERS[solver](sway(25))
    run = jax.jit(lambda noise, plan: sample(velocity, noise, plan))
    run(NOISE, plan)
    run(NOISE, SOLVERS[solver](linear(25)))  # other levels, same program
    assert len(traces) == plan.evaluations.shape[1]


def test_levels_are_prepared_once_and_before_the_loop():
    prepared = []

    def prepare(sigmas):
        prepared.append(sigmas.shape)
        return {"factor": 1 + sigmas}

    plan = SOLVERS["heun"](sway(6))
    out = sample(lambda x, level: x * level["factor"], NOISE, plan, prepare=prepare)
    assert prepared == [(12,)]
    np.testing.assert_allclose(out, sample(growth, NOISE, plan), rtol=1e-6)


def test_a_constraint_acts_after_every_step():
    def constrain(x, sigma):
        return x.at[:, :2].set(sigma)

    states = trajectory(growth, NOISE, ab2(sway(4)), constrain=constrain)
    for state, sigma in zip(states[1:], sway(4)[1:], strict=True):
        np.testing.assert_allclose(state[:, :2], sigma, atol=1e-7)


def test_masked_frames_are_zero():
    mask, plan = jnp.array([[True] * 5, [True, True, False, False, False]]), euler(sway(3))
    out = sample(growth, jnp.where(mask[..., None], NOISE, jnp.nan), plan, mask)
    assert np.isfinite(out).all() and not out[1, 2:].any()
    np.testing.assert_allclose(out[1, :2], sample(growth, NOISE, plan)[1, :2], rtol=1e-6)


def test_the_state_is_float32():
    half = NOISE.astype(jnp.bfloat16)
    out = sample(lambda x, sigma: x.astype(jnp.bfloat16), half, euler(sway(2)))
    assert out.dtype == jnp.float32


def both(x, sigma):
    """Two conditions: velocity 1 without a text, 3 with it."""
    assert x.shape[0] == 4
    return jnp.concatenate([x[:2] * 0 + 1, x[2:] * 0 + 3])


def test_guidance():
    out = guide(both, Guidance.classifier_free(5.0))(NOISE, 1.0)
    np.testing.assert_allclose(out, np.full_like(NOISE, 1 + 5 * (3 - 1)), rtol=1e-6)
    plain = guide(both, Guidance.classifier_free(1.0))(NOISE, 1.0)
    np.testing.assert_array_equal(plain, np.full_like(NOISE, 3))


def test_guidance_in_an_interval():
    def prompts_only(x, level):
        return x * 0 + 3

    guidance = Guidance.classifier_free(5.0, interval=(0.5, 1.0))
    guided = guide(both, guidance, prompts_only)
    assert np.allclose(guided(NOISE, (0.6, None)), 11)
    assert np.allclose(guided(NOISE, (0.4, None)), 3)


def test_guidance_of_single_views():
    same = Guidance.classifier_free(5.0, [5.0])  # its own scale, the same: no change
    np.testing.assert_array_equal(same.weights, [-4.0, 5.0, 0.0])
    u, c, without = 1.0, 3.0, 2.5
    weights = Guidance.classifier_free(5.0, [7.0]).weights
    assert sum(weights) == pytest.approx(1)
    composed = u + 5 * (c - u) + (7 - 5) * (c - without)
    assert np.dot(weights, [u, c, without]) == pytest.approx(composed)


def test_other_scales_need_no_other_program():
    traces = []

    @jax.jit
    def guided(guidance, x):
        traces.append(guidance)
        return guide(both, guidance)(x, 1.0)

    for scale in (2.0, 3.5, 7.0):
        out = guided(Guidance.classifier_free(scale), NOISE)
        np.testing.assert_allclose(out, np.full_like(NOISE, 1 + scale * 2), rtol=1e-6)
    assert len(traces) == 1
