"""How a model and its batches lie on devices that sample, encode and decode."""

import contextlib
from collections.abc import Callable, Sequence
from typing import TypeVar, get_args

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PyTree

from audiogen_jax.infer.options import Sharding
from audiogen_jax.sharding.mesh import AXES, BATCH
from audiogen_jax.sharding.placement import PRESETS, AxisRules, tree_shardings
from audiogen_jax.types import Device, Params

Function = TypeVar("Function", bound=Callable)


def inference_mesh(devices: Sequence[Device] | None = None, sharding: Sharding = "dp") -> Mesh:
    """The mesh of devices that sample, encode and decode.

    Args:
      devices: the first one if None; all local ones if parameters are to be cut.
      sharding: what they do with the parameters.

    Raises:
      ValueError: there is no such sharding.
    """
    if sharding not in get_args(Sharding):
        raise ValueError(f"sharding={sharding!r}: expected one of {get_args(Sharding)}")
    if devices is None:
        devices = jax.local_devices()[: 1 if sharding == "dp" else None]
    axis = {"dp": "data"}.get(sharding, sharding)
    sizes = [len(devices) if name == axis else 1 for name in AXES]
    return Mesh(np.array(devices).reshape(sizes), AXES)


class Layout:
    """Where parameters and rows are.

    Attributes:
      mesh: the devices, with the axes of `sharding.mesh`.
      rows: a batch must have a multiple of so many.
      split: of arrays whose first axis is the batch.
      everywhere: of arrays that every device holds whole.
      cuts: are parameters cut?
    """

    def __init__(self, mesh: Mesh):
        """Takes a mesh, from `inference_mesh`."""
        self.mesh = mesh
        self.rows = mesh.shape["data"] * mesh.shape["fsdp"]
        self.split, self.everywhere = NamedSharding(mesh, BATCH), NamedSharding(mesh, P())
        self.cuts = mesh.shape["data"] < mesh.size

    def put(self, params: Params, rules: AxisRules) -> Params:
        """Parameters on their devices; of shapes, where they would be.

        Args:
          params: arrays, or `jax.ShapeDtypeStruct`.
          rules: names of their axes.
        """
        return jax.tree.map(_put, params, self._places(params, rules))

    def _places(self, params: Params, rules: AxisRules) -> PyTree[NamedSharding]:
        if not self.cuts:
            return jax.tree.map(lambda leaf: self.everywhere, params)
        if self.mesh.shape["tensor"] == 1:
            return tree_shardings(params, self.mesh, "fsdp", rules)
        return tree_shardings(params, self.mesh, "fsdp_tp", _with_rows(rules))

    def put_whole(self, value: np.ndarray) -> jax.Array:
        """An array on every device."""
        return jax.device_put(value, self.everywhere)

    def by_rows(self, function: Function, whole: Sequence[bool]) -> Function:
        """A function of batches whose rows have nothing to do with each other.

        Where each device holds all parameters it runs the function on its own rows. Otherwise XLA
        cuts the function by the places of the parameters.

        Args:
          function: gives arrays whose first axis is the batch.
          whole: of every argument, whether it is no batch (parameters).
        """
        if self.cuts:
            return function
        rows = tuple(P() if argument else BATCH for argument in whole)
        return jax.shard_map(
            function, mesh=self.mesh, in_specs=rows, out_specs=BATCH, check_vma=False
        )

    def active(self) -> contextlib.AbstractContextManager:
        """Where functions of cut parameters are called: activations are pinned to the mesh."""
        return jax.set_mesh(self.mesh) if self.cuts else contextlib.nullcontext()


def _with_rows(rules: AxisRules) -> AxisRules:
    """The rules by which parameters without heads or hidden units are cut by their rows."""
    columns = set(PRESETS["fsdp_tp"]) - {"embed"}
    return tuple(
        (name, axes if columns & {*axes} else tuple(axis and "mlp" for axis in axes))
        for name, axes in rules
    )


def _put(
    leaf: np.ndarray | jax.Array | jax.ShapeDtypeStruct, place: NamedSharding
) -> jax.Array | jax.ShapeDtypeStruct:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)
    return jax.device_put(leaf, place)
