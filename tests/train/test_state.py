"""The moving average."""

import jax.numpy as jnp
import optax
import pytest

from audiogen_jax.train.state import TrainState


def test_average():
    state = TrainState.new({"w": jnp.zeros(())}, optax.sgd(0.1), average=True)
    state, expected = state.replace(params={"w": jnp.ones(())}), 0.0
    for step in range(200):
        state = state.replace(step=jnp.asarray(step)).average_params(0.9)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
        assert float(state.ema["w"]) == pytest.approx(expected, rel=1e-5)
    same = state.replace(ema=state.params, step=jnp.asarray(10**6)).average_params(0.9999)
    assert float(same.ema["w"]) == pytest.approx(1.0, rel=1e-6)
