"""Trains one stage: `python -m launch.train --config configs/nano_encoder.py --workdir DIR`.

The same as `audiogen train`.
"""

import argparse
import logging
import sys

from audiogen_jax.train.config import load_config
from audiogen_jax.train.loop import train


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", required=True, help="FILE.py or FILE.py:ARG")
    parser.add_argument("--workdir", required=True, help="checkpoints, metrics and the export")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("absl").setLevel(logging.WARNING)
    try:
        train(load_config(arguments.config, arguments.overrides), arguments.workdir)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
