"""Trains one stage: `python -m launch.train --config nano_encoder --workdir DIR`.

The same as `audiogen train`, with a log line for what happens beside the progress bar.
"""

import logging
import sys

from audiogen_jax.cli import main

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("absl").setLevel(logging.WARNING)
    main(["train", *sys.argv[1:]])
