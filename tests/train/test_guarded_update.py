"""Steps that do not count."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from audiogen_jax.train.guarded_update import WARM_UP, accept, guarded_update
from audiogen_jax.train.state import Guard, TrainState

OPTIMIZER = optax.adam(0.1)


def test_steps_that_do_not_count():
    guard, one = Guard.new(), jnp.array(1.0)
    for _ in range(3):
        counts, guard = accept(guard, one, jnp.array(5.0), 2.0)
        assert counts and guard.in_a_row == 0
    assert guard.norm == 5.0 and guard.accepted == 3
    for bad in (jnp.nan, jnp.inf):
        counts, guard = accept(guard, one, jnp.array(bad), 2.0)
        assert not counts
    counts, guard = accept(guard, jnp.array(jnp.nan), one, 2.0)
    assert not counts and guard.in_a_row == 3 and guard.norm == 5.0
    counts, guard = accept(guard, one, jnp.array(100.0), 2.0)
    assert counts and guard.in_a_row == 0  # still warming up: no spike yet


@pytest.mark.parametrize(("spike", "expected"), [(3.0, False), (0.0, True), (30.0, True)])
def test_spikes(spike: float, expected: bool):
    guard = Guard.new().replace(norm=jnp.array(5.0), accepted=jnp.array(WARM_UP))
    counts, guard = accept(guard, jnp.array(1.0), jnp.array(20.0), spike)
    assert bool(counts) == expected and (guard.norm == 5.0) == (not expected)


@pytest.mark.parametrize("loss", [1.0, np.nan])
def test_all_of_a_state_or_nothing_of_it(loss: float):
    state = TrainState.new({"kernel": jnp.ones((2, 2))}, OPTIMIZER, average=True)
    gradients = {"kernel": jnp.full((2, 2), 3.0)}
    updated = state.apply_gradients(gradients, OPTIMIZER).average_params(0.9)
    after, metrics = guarded_update(state, updated, jnp.array(loss), gradients, 0.0)
    expected = updated if np.isfinite(loss) else state
    for name in ("params", "opt_state", "ema"):
        jax.tree.map(np.testing.assert_array_equal, getattr(after, name), getattr(expected, name))
    assert after.step == 1 and metrics["gradient_norm"] == 6.0
    assert metrics["skipped"] == after.guard.in_a_row == (0 if np.isfinite(loss) else 1)
