"""Activations are pinned inside a training mesh, and names are checked everywhere."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P

from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.sharding.mesh import MeshConfig, make_mesh


def test_places_an_activation():
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    pin = jax.jit(lambda x: constrain(x, "batch", "length", "mlp"))
    with jax.set_mesh(mesh):
        assert pin(jnp.zeros((8, 3, 4))).sharding.spec == P(("data", "fsdp"), None, "tensor")


def test_does_nothing_outside_a_training_mesh():
    x = jnp.zeros((8, 3, 4))
    assert constrain(x, "batch", "length", "embed") is x
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.set_mesh(mesh):
        assert constrain(x, "batch", "length", "embed") is x


def test_unknown_names_are_errors_everywhere():
    with pytest.raises(ValueError, match=r"unknown axes \['embd'\]"):
        constrain(jnp.zeros((1, 1)), "batch", "embd")
    with pytest.raises(ValueError, match="expected one name each"):
        constrain(jnp.zeros((1, 1)), "batch")
