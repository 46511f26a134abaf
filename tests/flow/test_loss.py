"""The path, its losses and the training times."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.flow.loss import duration_loss, flow_matching_loss, masked_mean
from audiogen_jax.flow.paths import interpolate, velocity_target
from audiogen_jax.flow.time_sampling import logit_normal, uniform

RNG = np.random.default_rng(0)
DATA, NOISE = jnp.asarray(RNG.standard_normal((2, 2, 6, 3), np.float32))
TIME = jnp.array([0.25, 0.75])
MASK = jnp.arange(6) < jnp.array([[6], [2]])


def test_path_ends_and_slope():
    np.testing.assert_array_equal(interpolate(DATA, NOISE, jnp.zeros(2)), DATA)
    np.testing.assert_array_equal(interpolate(DATA, NOISE, jnp.ones(2)), NOISE)
    _, slope = jax.jvp(lambda t: interpolate(DATA, NOISE, t), (TIME,), (jnp.ones(2),))
    np.testing.assert_allclose(slope, velocity_target(DATA, NOISE), atol=1e-6)


def test_the_true_velocity_has_no_loss():
    valid = MASK[..., None]
    target = jnp.where(valid, NOISE - DATA, jnp.nan)
    assert flow_matching_loss(lambda x, t: target, DATA, NOISE, TIME, MASK) == 0


def test_loss_value():
    expected = np.square(NOISE - DATA)[MASK].mean()
    loss = flow_matching_loss(lambda x, t: jnp.zeros_like(x), DATA, NOISE, TIME, MASK)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_padding_reaches_neither_loss_nor_gradient():
    dirty = jnp.where(MASK[..., None], DATA, jnp.nan)

    def loss(scale, data):
        return flow_matching_loss(lambda x, t: scale * x, data, NOISE, TIME, MASK)

    clean = jax.value_and_grad(loss)(1.0, DATA)
    np.testing.assert_array_equal(jax.value_and_grad(loss)(1.0, dirty), clean)


def test_the_model_sees_the_noisy_latents_at_the_drawn_time():
    def velocity(x, time):
        np.testing.assert_array_equal(time, TIME)
        expected = interpolate(DATA, NOISE, TIME)
        np.testing.assert_allclose(x[MASK], expected[MASK], rtol=1e-6)
        assert not np.asarray(x)[~MASK].any()
        return x

    flow_matching_loss(velocity, DATA, NOISE, TIME, MASK)


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
    times = np.asarray(logit_normal(jax.random.key(0), 20000, mean=mean))
    assert 0 < times.min() and times.max() < 1
    np.testing.assert_allclose(np.median(times), 1 / (1 + np.exp(-mean)), atol=0.01)


def test_uniform():
    times = np.sort(uniform(jax.random.key(0), 20000))
    np.testing.assert_allclose(times, np.linspace(0, 1, 20000), atol=0.02)
