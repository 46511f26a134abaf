"""Arrays between the host and devices of several processes."""

import functools
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, PyTree

GATHERED_BYTES = 1 << 30
"""Most bytes that a device holds whole at a time on their way to the host."""


def put_tree(tree: PyTree, shardings: PyTree[NamedSharding]) -> PyTree[Array]:
    """Arrays in their places: of those on the host every process moves its pieces alone.

    `jax.device_put` would compare the whole of each between all processes.

    Args:
      tree: arrays, on the host the same in all processes; those in their places stay.
      shardings: their places.
    """

    def put(leaf: Array | np.ndarray, sharding: NamedSharding) -> Array:
        if isinstance(leaf, jax.Array) and leaf.sharding.is_equivalent_to(sharding, leaf.ndim):
            return leaf
        values = np.asarray(leaf)
        return jax.make_array_from_callback(values.shape, sharding, values.__getitem__)

    return jax.tree.map(put, tree, shardings)


def to_host(tree: PyTree) -> PyTree[np.ndarray]:
    """A tree of global arrays as numpy, whole; all processes must call it."""
    leaves, structure = jax.tree.flatten(tree)
    if jax.process_count() == 1:
        return jax.tree.unflatten(structure, map(np.asarray, leaves))
    whole: list[np.ndarray] = []
    for group in _groups(leaves):
        whole += map(np.asarray, _gather(group[0].sharding.mesh)(group))  # pyright: ignore
    return jax.tree.unflatten(structure, whole)


def _groups(leaves: Sequence[jax.Array]) -> Iterator[list[jax.Array]]:
    """Neighbours of at most `GATHERED_BYTES` together, or a larger one: each a program."""
    group: list[jax.Array] = []
    for leaf in leaves:
        if group and sum(each.nbytes for each in group) + leaf.nbytes > GATHERED_BYTES:
            yield group
            group = []
        group.append(leaf)
    if group:
        yield group


@functools.cache
def _gather(mesh: Mesh) -> jax.stages.Wrapped:
    """The same programs at every export."""
    return jax.jit(lambda leaves: leaves, out_shardings=NamedSharding(mesh, P()))
