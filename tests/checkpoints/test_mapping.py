"""Layouts read and written: layers apart or stacked, in the file and in the tree."""

import weakref
from pathlib import Path

import jax
import numpy as np
import pytest

from audiogen_jax.checkpoints.layout import Buffer, Layout, Rule
from audiogen_jax.checkpoints.mapping import (
    check_tensors,
    export_params,
    import_params,
    split_layers,
    stack_layers,
)

LAYOUT = Layout(
    (
        Rule("embed.weight", "embed/kernel", "oi1->io"),
        Rule("layers.{i}.qk", ("blocks/{i}/query/kernel", "blocks/{i}/key/kernel"), "oi->io"),
        Rule("layers.{i}.scale", "blocks/{i}/scale"),
    ),
    (Buffer("window", np.ones(3, np.float32)),),
)
RNG = np.random.default_rng(0)
PARAMS = {
    "embed": {"kernel": RNG.normal(size=(3, 5)).astype(np.float32)},
    "blocks": {
        "query": {"kernel": RNG.normal(size=(2, 3, 4)).astype(np.float32)},
        "key": {"kernel": RNG.normal(size=(2, 3, 4)).astype(np.float32)},
        "scale": RNG.normal(size=2).astype(np.float32),
    },
}


class Memory:
    """Tensors in memory, as a file."""

    path = Path("memory")

    def __init__(self, tensors):
        self.tensors = tensors

    def shapes(self):
        return {name: value.shape for name, value in self.tensors.items()}

    def read(self, name):
        return self.tensors[name].copy()

    def check_floating(self, names):
        assert all(self.tensors[name].dtype.kind == "f" for name in names)

    def verify(self):
        pass

    def layout(self, released):
        return released


RELEASED = Memory(dict(export_params(PARAMS, LAYOUT)))
STACKED = Memory(dict(export_params(PARAMS, LAYOUT.by_path())))


def test_names_and_shapes_are_known_before_the_values():
    for dtype in (None, "float16"):
        tensors = dict(export_params(PARAMS, LAYOUT, dtype))
        planned = LAYOUT.tensors(PARAMS, dtype)
        assert list(planned) == list(tensors)
        assert {n: (t.shape, t.dtype) for n, t in planned.items()} == {
            n: (t.shape, t.dtype) for n, t in tensors.items()
        }
    assert RELEASED.shapes() == {
        "embed.weight": (5, 3, 1),
        "layers.0.qk": (8, 3),
        "layers.1.qk": (8, 3),
        "layers.0.scale": (),
        "layers.1.scale": (),
        "window": (3,),
    }
    assert STACKED.shapes()["blocks/query/kernel"] == (2, 3, 4)


@pytest.mark.parametrize(
    ("file", "layout"), [(RELEASED, LAYOUT), (STACKED, LAYOUT.by_path())], ids=["hf", "stacked"]
)
def test_both_trees_from_both_files(file, layout):
    check_tensors(file, layout, PARAMS)
    stacked = stack_layers(import_params(file, layout, PARAMS), PARAMS)
    jax.tree.map(np.testing.assert_array_equal, stacked, PARAMS)
    split = split_layers(import_params(file, layout, PARAMS))
    for i in range(2):
        layer = jax.tree.map(lambda leaf, i=i: leaf[i], PARAMS["blocks"])
        jax.tree.map(np.testing.assert_array_equal, split["blocks"].pop(str(i)), layer)
    jax.tree.map(np.testing.assert_array_equal, split, PARAMS | {"blocks": {}})


def test_a_part_of_the_parameters_reads_nothing_else():
    file = Memory({name: t for name, t in RELEASED.tensors.items() if name.startswith("layers")})
    leaves = import_params(file, LAYOUT.only(["blocks"]), PARAMS)
    assert list(stack_layers(leaves, PARAMS)) == ["blocks"]


@pytest.mark.parametrize("split", [False, True])
def test_what_was_put_elsewhere_is_let_go(split):
    """When a tensor is read, nothing is left of the parameters before it."""
    alive: list[weakref.ref] = []

    class File(Memory):
        def read(self, name):
            assert not [reference for reference in alive if reference() is not None]
            value = np.array(super().read(name))
            alive.append(weakref.ref(value))
            return value

    file = File(STACKED.tensors)
    leaves = import_params(file, LAYOUT.by_path(), PARAMS)
    if split:
        split_layers(leaves, np.copy)
    else:
        stack_layers(leaves, PARAMS, np.copy)
    assert len(alive) == 4
