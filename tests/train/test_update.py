"""Gradients in parts, in another type, and steps that do not count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.train.update import (
    WARM_UP,
    accept,
    choose,
    new_guard,
    value_and_gradients,
)

PARAMS = {"w": jnp.array([[1.0, -2.0], [0.5, 3.0]])}
BATCH = {"x": jnp.arange(16.0).reshape(8, 2) / 7, "y": jnp.linspace(-1, 1, 8)}


def loss(params, batch, key):
    error = (batch["x"] @ params["w"]).sum(-1) - batch["y"]
    value = jnp.mean(jnp.square(error))
    return value, {"loss": value.astype(jnp.float32)}


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_parts_give_the_whole(parts: int):
    key = jax.random.key(0)
    metrics, gradients = value_and_gradients(loss, PARAMS, BATCH, key)
    in_parts = jax.jit(lambda: value_and_gradients(loss, PARAMS, BATCH, key, parts))()
    np.testing.assert_allclose(in_parts[0]["loss"], metrics["loss"], rtol=1e-6)
    np.testing.assert_allclose(in_parts[1]["w"], gradients["w"], rtol=1e-6)


def test_gradients_in_bfloat16():
    exact = value_and_gradients(loss, PARAMS, BATCH, jax.random.key(0))[1]["w"]
    rough = value_and_gradients(loss, PARAMS, BATCH, jax.random.key(0), 1, jnp.bfloat16)[1]["w"]
    assert rough.dtype == jnp.float32
    np.testing.assert_array_equal(rough, rough.astype(jnp.bfloat16))  # that is what was reduced
    np.testing.assert_allclose(rough, exact, rtol=2e-2)


def test_uneven_parts():
    with pytest.raises(ValueError, match="accumulate=3 does not divide a batch of 8 clips"):
        value_and_gradients(loss, PARAMS, BATCH, jax.random.key(0), 3)


def test_steps_that_do_not_count():
    guard = new_guard()
    for _ in range(3):
        ok, guard, metrics = accept(guard, jnp.array(1.0), {"w": jnp.array([3.0, 4.0])}, 2.0)
        assert ok and metrics["gradient_norm"] == 5.0 and metrics["skipped"] == 0
    assert guard.norm == 5.0 and guard.accepted == 3
    for bad in (jnp.nan, jnp.inf):
        ok, guard, metrics = accept(guard, jnp.array(1.0), {"w": jnp.array([bad])}, 2.0)
        assert not ok
    ok, guard, metrics = accept(guard, jnp.array(jnp.nan), {"w": jnp.array([1.0])}, 2.0)
    assert not ok and metrics["skipped"] == 3 and guard.norm == 5.0
    ok, guard, _ = accept(guard, jnp.array(1.0), {"w": jnp.array([100.0])}, 2.0)
    assert ok and guard.in_a_row == 0  # still warming up: no spike yet


@pytest.mark.parametrize(("spike", "expected"), [(3.0, False), (0.0, True), (30.0, True)])
def test_spikes(spike: float, expected: bool):
    guard = new_guard().replace(norm=jnp.array(5.0), accepted=jnp.array(WARM_UP))
    ok, guard, _ = accept(guard, jnp.array(1.0), {"w": jnp.array([20.0])}, spike)
    assert bool(ok) == expected and (guard.norm == 5.0) == (not expected)


def test_choose():
    new, old = {"w": jnp.array(jnp.nan)}, {"w": jnp.array(1.0)}
    assert choose(jnp.array(False), new, old)["w"] == 1.0
    assert jnp.isnan(choose(jnp.array(True), new, old)["w"])
