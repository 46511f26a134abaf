"""A checkpoint folder, opened once."""

from pathlib import Path

from audiogen_jax.checkpoints.mapping import TensorFile
from audiogen_jax.checkpoints.orbax import PARAMS, OrbaxFolder
from audiogen_jax.checkpoints.safetensors import SafetensorsFolder


def open_tensors(folder: str | Path) -> TensorFile:
    """The weights of a checkpoint folder, in the format that it has.

    Raises:
      FileNotFoundError, ValueError: see `SafetensorsFolder` and `OrbaxFolder`.
    """
    return OrbaxFolder(folder) if (Path(folder) / PARAMS).is_dir() else SafetensorsFolder(folder)
