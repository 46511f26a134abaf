"""The path, its losses and the noise levels of training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.flow.loss import duration_loss, flow_matching_loss, masked_mean
from audiogen_jax.flow.path import interpolate, logit_normal, uniform, velocity_target

RNG = np.random.default_rng(0)
DATA, NOISE = jnp.asarray(RNG.standard_normal((2, 2, 6, 3), np.float32))
SIGMA = jnp.array([0.25, 0.75])
MASK = jnp.arange(6) < jnp.array([[6], [2]])


def test_path_ends_and_slope():
    np.testing.assert_array_equal(interpolate(DATA, NOISE, jnp.zeros(2)), DATA)
    np.testing.assert_array_equal(interpolate(DATA, NOISE, jnp.ones(2)), NOISE)
    _, slope = jax.jvp(lambda sigma: interpolate(DATA, NOISE, sigma), (SIGMA,), (jnp.ones(2),))
    np.testing.assert_allclose(slope, velocity_target(DATA, NOISE), atol=1e-6)


def test_the_true_velocity_has_no_loss():
    valid = MASK[..., None]
    target = jnp.where(valid, NOISE - DATA, jnp.nan)
    assert flow_matching_loss(lambda x, sigma: target, DATA, NOISE, SIGMA, MASK) == 0


def test_loss_value():
    expected = np.square(NOISE - DATA)[MASK].mean()
    loss = flow_matching_loss(lambda x, sigma: jnp.zeros_like(x), DATA, NOISE, SIGMA, MASK)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_padding_reaches_neither_loss_nor_gradient():
    dirty = jnp.where(MASK[..., None], DATA, jnp.nan)

    def loss(scale, data):
        return flow_matching_loss(lambda x, sigma: scale * x, data, NOISE, SIGMA, MASK)

    clean = jax.value_and_grad(loss)(1.0, DATA)
    np.testing.assert_array_equal(jax.value_and_grad(loss)(1.0, dirty), clean)


def test_the_model_sees_the_noisy_latents_at_the_drawn_level():
    def velocity(x, sigma):
        np.testing.assert_array_equal(sigma, SIGMA)
        expected = interpolate(DATA, NOISE, SIGMA)
        np.testing.assert_allclose(x[MASK], expected[MASK], rtol=1e-6)
        assert not np.asarray(x)[~MASK].any()
        return x

    flow_matching_loss(velocity, DATA, NOISE, SIGMA, MASK)


def test_mean_over_nothing_is_zero():
    assert masked_mean(jnp.full((1, 2, 3), jnp.nan), jnp.zeros((1, 2), bool)) == 0


def test_duration_loss():
    seconds = jnp.array([1.0, 9.92])
    assert duration_loss(jnp.log(seconds + 1), seconds, 1.0) < 1e-12
    np.testing.assert_allclose(
        duration_loss(jnp.log(seconds + 1) + 0.5, seconds, 1.0), 0.25, rtol=1e-5
    )


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_logit_normal(mean):
    sigmas = np.asarray(logit_normal(jax.random.key(0), 20000, mean=mean))
    assert 0 < sigmas.min() and sigmas.max() < 1
    np.testing.assert_allclose(np.median(sigmas), 1 / (1 + np.exp(-mean)), atol=0.01)


def test_uniform():
    sigmas = np.sort(uniform(jax.random.key(0), 20000))
    np.testing.assert_allclose(sigmas, np.linspace(0, 1, 20000), atol=0.02)
