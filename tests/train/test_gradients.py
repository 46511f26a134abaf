"""Gradients in parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.train.gradients import value_and_gradients

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


def test_uneven_parts():
    with pytest.raises(ValueError, match="accumulate=3 does not divide a batch of 8 clips"):
        value_and_gradients(loss, PARAMS, BATCH, jax.random.key(0), 3)
