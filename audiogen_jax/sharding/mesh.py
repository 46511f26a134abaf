"""The device mesh: axes "data", "fsdp" and "tensor"."""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, TypeAlias, TypeVar

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from audiogen_jax.types import AtLeastOne, Device, Range

Batch = TypeVar("Batch")
MeshSize: TypeAlias = Annotated[int, Range(-1)]
AXES = ("data", "fsdp", "tensor")
BATCH = P(("data", "fsdp"))
"""A batch is split over every device that does not share a clip's layers with others."""


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """Sizes of the mesh.

    Attributes:
      data: replicas of the parameters.
      fsdp: parts that parameters, gradients and optimizer state are cut into.
      tensor: devices that share one layer's heads and hidden units.
      dcn_data: slices (TPU) or hosts (GPU) between which only gradients travel; `data`, `fsdp` and
        `tensor` are sizes inside one of them, over its fast links (ICI, NVLink).

    One of data, fsdp and tensor may be -1: what the devices leave for it.
    """

    data: MeshSize = -1
    fsdp: MeshSize = 1
    tensor: MeshSize = 1
    dcn_data: AtLeastOne = 1


def make_mesh(config: MeshConfig, devices: Sequence[Device] | None = None) -> Mesh:
    """The mesh of a configuration.

    Args:
      config: its sizes.
      devices: all devices if None; the first ones of them where the sizes are smaller.

    Raises:
      ValueError: the sizes do not fit the devices.
    """
    devices = list(jax.devices() if devices is None else devices)
    if config.dcn_data < 1:
        raise ValueError(f"mesh.dcn_data={config.dcn_data}: expected at least 1")
    available = len(devices) // config.dcn_data
    sizes = _complete({name: getattr(config, name) for name in AXES}, available)
    count = math.prod(sizes)
    # Auto: the default, Explicit, turns sharding constraints into assertions.
    auto = (AxisType.Auto,) * len(AXES)
    slices = {getattr(device, "slice_index", 0) for device in devices}
    if devices[0].platform == "tpu" and len(slices) != config.dcn_data:
        raise ValueError(
            f"mesh.dcn_data={config.dcn_data}: the devices are {len(slices)} slices of TPUs, set "
            f"mesh.dcn_data={len(slices)}"
        )
    if config.dcn_data == 1:
        return Mesh(_on_links(sizes, devices[:count]), AXES, axis_types=auto)
    grid = mesh_utils.create_hybrid_device_mesh(
        sizes,
        (config.dcn_data, 1, 1),
        devices,
        process_is_granule=devices[0].platform != "tpu",
        allow_split_physical_axes=True,
    )
    return Mesh(grid, AXES, axis_types=auto)


def _on_links(sizes: tuple[int, ...], devices: Sequence[Device]) -> np.ndarray:
    """Devices as an array of these sizes, neighbours of each other where TPUs have links."""
    try:
        # Two axes of the mesh share a side of the torus only where they have to.
        return mesh_utils.create_device_mesh(sizes, devices, allow_split_physical_axes=True)
    except AssertionError as error:
        raise ValueError(
            f"mesh {dict(zip(AXES, sizes, strict=True))} leaves some of the TPUs out, and the "
            "others are no torus: choose sizes that use all of them"
        ) from error


def _complete(sizes: Mapping[str, int], devices: int) -> tuple[int, ...]:
    """The sizes with -1 filled in."""
    open_axes = [name for name, size in sizes.items() if size == -1]
    known = math.prod(size for size in sizes.values() if size != -1)
    if len(open_axes) > 1 or any(size < 1 and size != -1 for size in sizes.values()):
        text = ", ".join(f"mesh.{name}={size}" for name, size in sizes.items())
        raise ValueError(f"{text}: expected sizes of at least 1, one of them -1 at most")
    if known > devices or (open_axes and devices % known):
        text = ", ".join(f"mesh.{name}={size}" for name, size in sizes.items())
        raise ValueError(f"{text} does not fit {devices} devices")
    return tuple(devices // known if size == -1 else size for size in sizes.values())


def process_rows(mesh: Mesh, size: int, devices: Collection[Device] | None = None) -> list[int]:
    """The rows of a batch that a process loads: those that its devices hold.

    Devices stand on a mesh in any order, so that these need not be neighbours of each other, and
    where "tensor" leaves a process, several load the same rows.

    Args:
      mesh: the mesh.
      size: rows of the batch over all processes.
      devices: of the process; those of this one if None.

    Returns:
      Positions in the batch, ascending.

    Raises:
      ValueError: the rows do not split evenly over the mesh, or none of the devices is on it.
    """
    parts = mesh.shape["data"] * mesh.shape["fsdp"]
    if size % parts:
        raise ValueError(
            f"a batch of {size} clips does not split over {parts} devices: "
            "change data.batch_sizes to multiples of it, or the sizes of the mesh"
        )
    sharding = NamedSharding(mesh, BATCH)
    if devices is None:
        indices = sharding.addressable_devices_indices_map((size,))
    else:
        everywhere = sharding.devices_indices_map((size,))
        indices = {device: everywhere[device] for device in devices if device in everywhere}
    rows = sorted({row for index in indices.values() if index for row in range(size)[index[0]]})
    if not rows:
        raise ValueError(f"mesh {dict(mesh.shape)} uses no device of process {jax.process_index()}")
    return rows


def row_loaders(mesh: Mesh, size: int) -> list[int]:
    """By how many processes each of the rows of `process_rows` is loaded."""
    processes: dict[int, set[int]] = {row: set() for row in process_rows(mesh, size)}
    for device, index in NamedSharding(mesh, BATCH).devices_indices_map((size,)).items():
        for row in range(size)[index[0]]:
            if row in processes:
                processes[row].add(device.process_index)
    return [len(each) for each in processes.values()]


def shard_batch(mesh: Mesh, batch: Batch) -> Batch:
    """Moves the rows that this process loaded to its devices; nothing travels between processes.

    Args:
      mesh: the mesh.
      batch: a pytree of host arrays whose first axis is the rows of `process_rows`.

    Returns:
      Global arrays, split over "data" and "fsdp" on their first axis.

    Raises:
      ValueError: the rows are not those of a batch that splits evenly over the mesh.
    """
    parts = mesh.shape["data"] * mesh.shape["fsdp"]
    held, rows = process_rows(mesh, parts), len(jax.tree.leaves(batch)[0])
    if rows % len(held):
        raise ValueError(
            f"a batch of {rows} clips does not split over {len(held)} devices: "
            "change data.batch_sizes to multiples of it, or the sizes of the mesh"
        )
    each, sharding = rows // len(held), NamedSharding(mesh, BATCH)
    first = {part * each: position * each for position, part in enumerate(held)}

    def put(values: np.ndarray) -> jax.Array:
        def rows_at(index: tuple[slice, ...] | None) -> np.ndarray:
            assert index is not None
            start = first[index[0].start or 0]
            return values[start : start + each]

        return jax.make_array_from_callback((each * parts, *values.shape[1:]), sharding, rows_at)

    return jax.tree.map(put, batch)
