"""Several processes as one program."""

import os

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PyTree


def initialize() -> None:
    """Joins the processes of one job; call it once, before anything touches a device.

    With JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID in the
    environment these say who takes part; without them jax asks the cluster (SLURM, Open MPI,
    Kubernetes, TPU VMs).

    Raises:
      ValueError: the environment is incomplete, or no cluster is found.
    """
    names = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
    if names[0] not in os.environ:
        try:
            jax.distributed.initialize()
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"--distributed: no cluster found ({str(error).splitlines()[0]}); set {names}"
            ) from error
        return
    if missing := [name for name in names if not os.environ.get(name)]:
        raise ValueError(f"--distributed: {missing} must be set beside {names[0]}")
    address, count, index = (os.environ[name] for name in names)
    jax.distributed.initialize(address, int(count), int(index))


def any_process(flag: bool) -> bool:
    """Is it true on one of the processes? All of them must ask at the same step."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def to_host(tree: PyTree) -> PyTree[np.ndarray]:
    """A tree of global arrays as numpy, whole; all processes must call it."""
    if jax.process_count() == 1:
        return jax.tree.map(np.asarray, tree)

    def gather(leaf: jax.Array) -> np.ndarray:  # one at a time: devices may not hold the whole
        whole = jax.jit(lambda x: x, out_shardings=NamedSharding(leaf.sharding.mesh, P()))  # pyright: ignore
        return np.asarray(whole(leaf))

    return jax.tree.map(gather, tree)
