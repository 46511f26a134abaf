"""Folders in Hugging Face layout: config.json and model.safetensors."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

WEIGHTS = "model.safetensors"
CONFIG = "config.json"


class SafetensorsFile:
    """The tensors of one file, each read when asked for; use as a context manager."""

    def __init__(self, path: Path):
        """Opens the file.

        Raises:
          FileNotFoundError: there is none.
          ValueError: it is not in the safetensors format.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no weights at {path}")
        try:
            self._file = safe_open(path, framework="numpy")
        except SafetensorError as error:
            raise ValueError(f"{path} is not a safetensors file: {error}") from error

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._file.__exit__(*exception)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor."""
        return {n: tuple(self._file.get_slice(n).get_shape()) for n in self._file.keys()}

    def read(self, name: str) -> np.ndarray:
        """One tensor, in the dtype of the file."""
        return self._file.get_tensor(name)


def read_config(folder: str | Path) -> dict[str, Any]:
    """The contents of a folder's config.json.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is not a JSON object.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"no configuration at {path}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(values).__name__}")
    return values


def write_folder(
    folder: str | Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    dtype: Any = None,
) -> None:
    """Writes config.json and model.safetensors, each to a temporary name and then renamed.

    Args:
      folder: made if it does not exist.
      config: contents of config.json.
      tensors: contents of model.safetensors.
      dtype: floating-point tensors are cast to it; None keeps theirs.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The format writes memory as it lies, so views must be made contiguous first.
    stored = {name: np.asarray(_cast(value, dtype), order="C") for name, value in tensors.items()}
    weights = folder / f"{WEIGHTS}.partial"
    save_file(stored, weights, metadata={"format": "pt"})
    os.replace(weights, folder / WEIGHTS)
    text = folder / f"{CONFIG}.partial"
    text.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(text, folder / CONFIG)


def _cast(value: np.ndarray, dtype: Any) -> np.ndarray:
    if dtype is None or not jnp.issubdtype(value.dtype, jnp.floating):
        return value
    return value.astype(jnp.dtype(dtype))
