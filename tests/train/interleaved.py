"""`audiogen train` with the devices of two processes mixed on the mesh, as on the torus of a TPU.

With mesh.data=2 mesh.fsdp=2 mesh.tensor=2 two of the four parts of a batch are on both processes.
"""

import logging
import sys

import jax
from jax.sharding import Mesh

from audiogen_jax.cli import main
from audiogen_jax.sharding.mesh import MeshConfig, make_mesh
from audiogen_jax.train import loop

ORDER = (0, 4, 5, 1, 2, 3, 6, 7)


def interleaved(config: MeshConfig) -> Mesh:
    return make_mesh(config, [jax.devices()[number] for number in ORDER])


if __name__ == "__main__":
    loop.make_mesh = interleaved
    logging.basicConfig(level=logging.INFO, force=True)  # absl's handler is there already
    main(["train", *sys.argv[1:]])
