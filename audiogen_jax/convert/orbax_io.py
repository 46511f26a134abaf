"""Parameters as an Orbax checkpoint beside config.json: for tools that read Orbax."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from audiogen_jax.convert.safetensors_io import CONFIG
from audiogen_jax.types import Params

PARAMS = "params"
"""Name of the Orbax folder in that of a checkpoint."""


def is_orbax(folder: str | Path) -> bool:
    """Does a checkpoint folder hold its parameters as Orbax?"""
    return (Path(folder) / PARAMS).is_dir()


def save_orbax(
    folder: str | Path, config: Mapping[str, Any], params: Params, dtype: Any = None
) -> None:
    """Writes config.json and the parameters, stacked as in training.

    Args:
      folder: made if it does not exist.
      config: contents of config.json.
      params: nested dicts of arrays.
      dtype: parameters are cast to it; None keeps theirs.
    """
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    cast = params if dtype is None else jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / PARAMS, cast)
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load_orbax(folder: str | Path, template: Params, place: Callable) -> dict[str, Any]:
    """Reads the parameters that `save_orbax` wrote, in the dtypes of `template`.

    Raises:
      ValueError: it holds other parameters than the configuration implies.
    """
    path = Path(folder).absolute() / PARAMS
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), template
    )
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            params = checkpointer.restore(path, abstract)
    except (ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} does not fit its configuration: {reason}") from error
    return jax.tree.map(place, params)
