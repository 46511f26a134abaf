"""Where parameters live on the mesh: names of their axes, and what each preset does with a name.

Every family of models has a table that names the axes of its parameters by their paths
(`models/<family>/axes.py`), so that random, converted and restored parameters are placed alike.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jax.tree_util import KeyPath
from jaxtyping import Array, PyTree

from audiogen_jax.types import path_name

AxisRules: TypeAlias = tuple[tuple[str, tuple[str | None, ...]], ...]
"""(regular expression of whole paths, names of the last axes). Axes before them (layers, taps of a
convolution) are never cut. Exactly one rule fits a parameter, so their order does not matter."""

PRESETS: dict[str, dict[str, str]] = {
    "dp": {},
    "fsdp": {"embed": "fsdp", "mlp": "fsdp", "heads": "fsdp", "vocab": "fsdp"},
    "fsdp_tp": {"embed": "fsdp", "mlp": "tensor", "heads": "tensor", "vocab": "tensor"},
}
"""Preset -> name of a parameter's axis -> axis of the mesh that cuts it. An axis that the mesh does
not divide stays whole; then the next axis of that parameter is tried."""

LARGE_BYTES = 1 << 20


class Replicated(NamedTuple):
    """A parameter of which every device holds a whole copy."""

    name: str
    shape: tuple[int, ...]
    bytes: int


def beneath(name: str, rules: AxisRules) -> AxisRules:
    """The rules of a tree that stands under a name in a larger one."""
    return tuple((f"{name}/(?:{pattern})", axes) for pattern, axes in rules)


def parameter_axes(name: str, ndim: int, rules: AxisRules) -> tuple[str | None, ...]:
    """The name of every axis of a parameter.

    Args:
      name: its "/"-joined path.
      ndim: number of axes.
      rules: of the tree that it stands in.

    Raises:
      ValueError: no rule fits, or several do.
    """
    fitting = [(pattern, axes) for pattern, axes in rules if re.fullmatch(pattern, name)]
    if len(fitting) != 1 or ndim < len(fitting[0][1]):
        raise ValueError(
            f"parameter {name!r} with {ndim} axes: expected one rule of its family's axes.py to "
            f"name them, these do: {fitting}"
        )
    axes = fitting[0][1]
    return (None,) * (ndim - len(axes)) + axes


def parameter_spec(
    name: str, shape: Sequence[int], mesh_shape: Mapping[str, int], preset: str, rules: AxisRules
) -> P:
    """How a preset cuts one parameter.

    Args:
      name: its "/"-joined path.
      shape: its shape.
      mesh_shape: size of each axis of the mesh.
      preset: a key of `PRESETS`.
      rules: of the tree that it stands in.

    Raises:
      ValueError: the preset or the parameter is unknown.
    """
    if preset not in PRESETS:
        raise ValueError(f"sharding={preset!r}: expected one of {sorted(PRESETS)}")
    spec: list[str | None] = []
    for axis, size in zip(parameter_axes(name, len(shape), rules), shape, strict=True):
        target = PRESETS[preset].get(axis) if axis else None
        if target in spec or target is None or size % mesh_shape[target]:
            target = None
        spec.append(target)
    return P(*spec)


def tree_shardings(
    tree: PyTree, mesh: Mesh, preset: str, rules: AxisRules
) -> PyTree[NamedSharding]:
    """The sharding of every leaf of a parameter tree, or of a state that holds such trees.

    Optimizer moments and averages are placed like the parameters that they belong to; anything
    that stands outside a parameter tree (counters) is on every device.

    Args:
      tree: arrays or their shapes.
      mesh: a mesh with the axes of `sharding.mesh`.
      preset: a key of `PRESETS`.
      rules: of the parameter trees.
    """

    def sharding(path: KeyPath, leaf: Array | jax.ShapeDtypeStruct) -> NamedSharding:
        name = parameter_name(path)
        if not name or not leaf.shape:
            return NamedSharding(mesh, P())
        return NamedSharding(mesh, parameter_spec(name, leaf.shape, mesh.shape, preset, rules))

    return jax.tree_util.tree_map_with_path(sharding, tree)


def parameter_name(path: KeyPath) -> str:
    """The "/"-joined path inside the innermost dict tree, "" outside of any.

    Numbers of layers in a tuple of the tree are left out: all have the same axes.
    """
    start = len(path)
    while start and _is_name(path, start - 1):
        start -= 1
    keys = path[start:]
    return path_name(tuple(key for key in keys if isinstance(key, jax.tree_util.DictKey)))


def _is_name(path: KeyPath, index: int) -> bool:
    """Is a step that of a dict, or of a tuple between two dicts?"""
    name, number = jax.tree_util.DictKey, jax.tree_util.SequenceKey
    around = [type(key) for key in path[index - 1 : index + 2]]
    return isinstance(path[index], name) or around == [name, number, name]


def large_replicated(tree: PyTree, shardings: PyTree[NamedSharding]) -> list[Replicated]:
    """Every array of more than a MiB that is not cut at all, the largest first."""
    replicated = []
    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    for (path, leaf), sharding in zip(paths, jax.tree.leaves(shardings), strict=True):
        size = math.prod(leaf.shape) * leaf.dtype.itemsize
        if size > LARGE_BYTES and sharding.is_fully_replicated:
            replicated.append(Replicated(jax.tree_util.keystr(path), tuple(leaf.shape), size))
    return sorted(replicated, key=lambda array: -array.bytes)
