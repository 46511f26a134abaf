"""Reading and writing `model.safetensors` + `config.json` folders in the HF layout."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"


def read_config(folder: str | os.PathLike) -> dict[str, Any]:
    """The contents of `config.json`.

    Raises:
      FileNotFoundError: there is no such folder or file.
      ValueError: the file is not a JSON object.
    """
    path = pathlib.Path(folder) / CONFIG_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; expected a model folder in the HF layout")
    try:
        values = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(values).__name__}")
    return values


class TensorFile:
    """An open safetensors file: shapes are known at once, tensors are read one by one."""

    def __init__(self, handle):
        self._handle = handle
        slices = {name: handle.get_slice(name) for name in handle.keys()}
        self.shapes = {name: tuple(view.get_shape()) for name, view in slices.items()}

    def read(self, name: str) -> np.ndarray:
        """One tensor in its stored dtype."""
        return self._handle.get_tensor(name)


@contextlib.contextmanager
def open_tensors(folder: str | os.PathLike) -> Iterator[TensorFile]:
    """Opens a folder's weights for reading tensor by tensor.

    Raises:
      FileNotFoundError: the folder has no `model.safetensors`.
      ValueError: the file is truncated or not safetensors.
    """
    path = pathlib.Path(folder) / WEIGHTS_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; expected the weights of the model there")
    try:
        handle = safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise ValueError(f"{path}: not a readable safetensors file ({error})") from error
    with handle as opened:
        yield TensorFile(opened)


def write_model(
    folder: str | os.PathLike, config: Mapping[str, Any], tensors: Mapping[str, np.ndarray]
) -> None:
    """Writes `config.json` and `model.safetensors`; each appears only when complete."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f".{WEIGHTS_NAME}.{os.getpid()}"
    text = folder / f".{CONFIG_NAME}.{os.getpid()}"
    try:
        save_file(dict(tensors), weights, metadata={"format": "pt"})
        text.write_text(json.dumps(dict(config), indent=2, sort_keys=True) + "\n")
        os.replace(weights, folder / WEIGHTS_NAME)
        os.replace(text, folder / CONFIG_NAME)
    finally:
        weights.unlink(missing_ok=True)
        text.unlink(missing_ok=True)


