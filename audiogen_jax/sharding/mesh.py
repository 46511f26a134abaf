"""The mesh of data-parallel training: the batch split over "data", parameters on every device."""

from collections.abc import Mapping

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P


def make_mesh(data: int = -1) -> Mesh:
    """A mesh with one axis "data".

    Args:
      data: number of devices, -1 for all of them.

    Raises:
      ValueError: there are fewer devices than asked for.
    """
    devices = jax.devices()
    count = len(devices) if data == -1 else data
    if not 1 <= count <= len(devices):
        raise ValueError(f"mesh.data={data}: expected -1 or 1 to {len(devices)} devices")
    # Auto: the default, Explicit, turns Linen's sharding constraints into assertions.
    return jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=devices[:count])


def replicated(mesh: Mesh) -> NamedSharding:
    """Sharding of parameters and optimizer state: a whole copy on each device."""
    return NamedSharding(mesh, P())


def shard_batch(mesh: Mesh, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """Moves the rows that this process loaded to its devices.

    Args:
      batch: host arrays whose first axis is the batch.

    Returns:
      Global arrays, split over "data" on their first axis.

    Raises:
      ValueError: the rows do not split evenly over the devices of this process.
    """
    devices = mesh.local_mesh.size
    rows = len(next(iter(batch.values())))
    if rows % devices:
        raise ValueError(
            f"a batch of {rows} clips does not split over {devices} devices: "
            "change data.batch_sizes to multiples of it, or set mesh.data"
        )
    sharding = NamedSharding(mesh, P("data"))
    return {
        name: jax.make_array_from_process_local_data(sharding, values)
        for name, values in batch.items()
    }
