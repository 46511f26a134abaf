"""A training begins with what is loaded, and draws the rest as if nothing were."""

from types import SimpleNamespace
from typing import Any, cast

import jax
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec

from audiogen_jax.train.start import start_state
from audiogen_jax.train.state import TrainState

LOADED = np.arange(8, dtype=np.float32)


def init_state(key: jax.Array) -> TrainState:
    one, two = jax.random.split(key)
    params = {"drawn": jax.random.normal(one, (8,)), "loaded": jax.random.normal(two, (8,))}
    return TrainState.new(params, optax.adam(1e-3), average=True)


def prepare(state: TrainState) -> TrainState:
    return state.replace(params={**state.params, "loaded": LOADED})


def test_on_devices():
    key, mesh = jax.random.key(3), jax.make_mesh((8,), ("data",))
    abstract = jax.eval_shape(init_state, key)
    places = jax.tree.map(
        lambda leaf: NamedSharding(mesh, PartitionSpec(*["data"] * leaf.ndim)), abstract
    )
    objective = cast(Any, SimpleNamespace(init_state=init_state, prepare=prepare))
    state = start_state(objective, key, abstract, places)
    expected = prepare(init_state(key))
    jax.tree.map(np.testing.assert_array_equal, state, expected)
    assert jax.tree.map(lambda leaf: leaf.sharding, state) == places
