"""Trains one stage: `python -m launch.train --config nano_encoder --workdir DIR`.

The same as `audiogen train`, from the source tree.
"""

import sys

from audiogen_jax.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
