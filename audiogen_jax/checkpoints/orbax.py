"""Checkpoints in Orbax format: config.json and the parameter tree in the folder `params`."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax.traverse_util import unflatten_dict
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.config_file import CONFIG, write_config
from audiogen_jax.checkpoints.layout import Layout, flat_leaves
from audiogen_jax.checkpoints.mapping import check_finite
from audiogen_jax.files.content_hashes import ContentCheck, record_contents
from audiogen_jax.types import Params, parse_dtype

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
        self._contents = ContentCheck(folder, [PARAMS]).start()
        # Of a `Checkpointer`, every read would wait for all processes.
        self._handler = ocp.PyTreeCheckpointHandler()
        try:
            tree = self._handler.metadata(self.path).tree  # pyright: ignore[reportArgumentType]
            self._metadata = flat_leaves(tree)
            self._shapes = {name: tuple(leaf.shape) for name, leaf in self._metadata.items()}
        except Exception as error:  # of many kinds: storage, JSON, Orbax itself
            raise ValueError(f"{self.path} is not a whole Orbax checkpoint: {error}") from error

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `TensorFile`."""
        return self._shapes

    def read(self, name: str) -> np.ndarray:
        """One parameter, in the dtype of the checkpoint.

        Raises:
          ValueError: its data are damaged or not there.
        """
        wanted = unflatten_dict({name: 0}, sep="/")
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), wanted)
        options = ocp.args.PyTreeRestore(wanted, as_numpy, partial_restore=True)
        try:
            restored = self._handler.restore(self.path, args=options)  # pyright: ignore[reportArgumentType]
        except Exception as error:  # as above
            raise ValueError(f"{self.path}: {name} cannot be read: {error}") from error
        return jax.tree.leaves(restored)[0]

    def check_floating(self, names: Collection[str]) -> None:
        """See `TensorFile`."""
        wrong = {name: self._metadata[name].dtype for name in names}
        wrong = [f"{n} is {k}" for n, k in wrong.items() if not jnp.issubdtype(k, jnp.floating)]
        if wrong:
            raise ValueError(f"{self.path}: {sorted(wrong)} must hold floating-point numbers")

    def verify(self) -> None:
        """See `TensorFile`."""
        self._contents.wait()

    def layout(self, released: Layout) -> Layout:
        """Every parameter under its own path, layers stacked; no buffers."""
        return released.by_path()


def save_orbax(
    folder: str | Path,
    values: Mapping[str, object],
    params: Params,
    dtype: str | DTypeLike | None = None,
) -> None:
    """Writes config.json, the parameter tree and their hashes; its layers stacked as in training.

    Args:
      folder: made if it does not exist; it must not hold an Orbax tree.
      values: contents of config.json.
      params: nested dicts of arrays.
      dtype: parameters are cast to it; None keeps theirs.

    Raises:
      ValueError: a parameter is not finite.
      OSError: the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if dtype is not None:
        params = jax.tree.map(lambda leaf: leaf.astype(parse_dtype(dtype)), params)
    for name, leaf in flat_leaves(params).items():
        check_finite(name, cast(np.ndarray, leaf))
    try:
        with ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save((folder / PARAMS).absolute(), params)
    except ValueError as error:  # storage errors, a full disk among them
        raise OSError(f"cannot write {folder / PARAMS}: {error}") from error
    write_config(folder, values)
    record_contents(folder, [PARAMS, CONFIG])
