"""The device mesh: axes "data", "fsdp" and "tensor"."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias, TypeVar

import jax
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
    if config.dcn_data == 1:
        try:
            return jax.make_mesh(sizes, AXES, axis_types=auto, devices=devices[:count])
        except NotImplementedError as error:  # of TPUs, whose links form a torus
            raise ValueError(
                f"mesh {dict(zip(AXES, sizes, strict=True))} does not fit the links between the "
                "chips: choose sizes that are products of the sizes of their torus, such as "
                "mesh.data=8 mesh.fsdp=8 on 8x8"
            ) from error
    grid = mesh_utils.create_hybrid_device_mesh(
        sizes,
        (config.dcn_data, 1, 1),
        devices,
        process_is_granule=devices[0].platform != "tpu",
        allow_split_physical_axes=True,
    )
    return Mesh(grid, AXES, axis_types=auto)


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


def shard_batch(mesh: Mesh, batch: Batch) -> Batch:
    """Moves the rows that this process loaded to its devices.

    Args:
      mesh: the mesh; its axis "tensor" must not leave a process.
      batch: a pytree of host arrays whose first axis is the batch.

    Returns:
      Global arrays, split over "data" and "fsdp" on their first axis.

    Raises:
      ValueError: the rows do not split evenly over the devices of this process.
    """
    devices = mesh.local_mesh.size // mesh.shape["tensor"]
    rows = len(jax.tree.leaves(batch)[0])
    if not devices or rows % devices:
        raise ValueError(
            f"a batch of {rows} clips does not split over {devices} devices: "
            "change data.batch_sizes to multiples of it, or the sizes of the mesh"
        )
    sharding = NamedSharding(mesh, BATCH)
    return jax.tree.map(
        lambda values: jax.make_array_from_process_local_data(sharding, values), batch
    )
