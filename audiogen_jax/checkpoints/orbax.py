"""Checkpoints in Orbax format: config.json and the parameter tree in the folder `params`."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import tensorstore
from flax.traverse_util import flatten_dict

from audiogen_jax.checkpoints.mapping import Buffer, Rule, TensorFile
from audiogen_jax.checkpoints.safetensors import SafetensorsFolder, write_config
from audiogen_jax.types import Params

PARAMS = "params"


class OrbaxFolder:
    """The parameters of a checkpoint, named by their paths ("dit/final_norm/scale").

    Attributes:
      path: of the Orbax tree.
    """

    def __init__(self, folder: str | Path):
        """Reads names, shapes and dtypes.

        Raises:
          ValueError: there is no whole Orbax tree.
        """
        self.path = (Path(folder) / PARAMS).absolute()
        try:
            with ocp.PyTreeCheckpointer() as checkpointer:
                tree = checkpointer.metadata(self.path).item_metadata
            if tree is None:
                raise ValueError("it has no metadata")
        except Exception as error:  # of many kinds: storage, JSON, Orbax itself
            raise ValueError(f"{self.path} is not a whole Orbax checkpoint: {error}") from error
        self._metadata = flatten_dict(tree.tree, sep="/")
        self._driver = "zarr3" if tree.use_zarr3 else "zarr"
        self._context = tensorstore.Context()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Path and shape of every parameter."""
        return {name: tuple(leaf.shape) for name, leaf in self._metadata.items()}

    def read(self, name: str) -> np.ndarray:
        """One parameter, in the dtype of the checkpoint.

        Raises:
          ValueError: its data are damaged or not there.
        """
        # Orbax restores trees, which takes a tenth of a second however small they are.
        base = {"driver": "file", "path": f"{self.path}/"}
        store = {"driver": "ocdbt", "base": base, "path": self._metadata[name].name}
        spec = {"driver": self._driver, "kvstore": store}
        try:
            array = tensorstore.open(spec, open=True, context=self._context).result()
            return array.read().result()
        except (ValueError, OSError) as error:
            raise ValueError(f"{self.path}: {name} cannot be read: {error}") from error

    def check_floating(self, names: Collection[str]) -> None:
        """Raises ValueError naming the parameters that do not hold floating-point numbers."""
        wrong = {name: self._metadata[name].dtype for name in names}
        wrong = [f"{n} is {k}" for n, k in wrong.items() if not jnp.issubdtype(k, jnp.floating)]
        if wrong:
            raise ValueError(f"{self.path}: {sorted(wrong)} must hold floating-point numbers")


def save_orbax(
    folder: str | Path, config: Mapping[str, Any], params: Params, dtype: Any = None
) -> None:
    """Writes config.json and the parameter tree, its layers stacked as in training.

    Args:
      folder: made if it does not exist; it must not hold an Orbax tree.
      config: contents of config.json.
      params: nested dicts of arrays.
      dtype: parameters are cast to it; None keeps theirs.

    Raises:
      OSError: the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if dtype is not None:
        params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    try:
        with ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save((folder / PARAMS).absolute(), params)
    except ValueError as error:  # storage errors, a full disk among them
        raise OSError(f"cannot write {folder / PARAMS}: {error}") from error
    write_config(folder, config)


def open_tensors(folder: str | Path) -> SafetensorsFolder | OrbaxFolder:
    """The weights of a checkpoint folder, in the format that it has.

    Raises:
      FileNotFoundError, ValueError: see `SafetensorsFolder` and `OrbaxFolder`.
    """
    return OrbaxFolder(folder) if (Path(folder) / PARAMS).is_dir() else SafetensorsFolder(folder)


def rules_of(
    file: TensorFile, rules: Sequence[Rule], buffers: Sequence[Buffer], template: Params
) -> tuple[Sequence[Rule], Sequence[Buffer]]:
    """Where the parameters are in this file: as in the release, or each under its own path.

    Args:
      file: from `open_tensors`.
      rules, buffers: of the release.
      template: shapes of the parameters.
    """
    if not isinstance(file, OrbaxFolder):
        return rules, buffers
    leaves = flatten_dict(template, sep="/")
    letters = {name: "abcdefgh"[: leaf.ndim] for name, leaf in leaves.items()}
    return [Rule(name, name, f"{axes}->{axes}") for name, axes in letters.items()], ()
