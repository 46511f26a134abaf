r"""A third of the published depth: 0.8 B-parameter DiT, for one node of eight accelerators.

    audiogen train --config base --workdir runs/base

Everything else is as in `configs/xl.py`, `:finetune`, `:lora` and `:smoke` included; shorter
schedule. It has not been trained by the authors of this repository.
"""

from ml_collections import ConfigDict

from . import xl


def get_config(arg: str = "") -> ConfigDict:
    config = xl.get_config(arg)
    if arg != "smoke":
        config.model.audiogen.dit_depth = 12
    if not arg:
        config.steps = 400_000
    return config
