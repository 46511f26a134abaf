"""Folders in Hugging Face layout: config.json and model.safetensors."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = "config.json"
_FLOATS = ("F64", "F32", "F16", "BF16")


class SafetensorsFolder:
    """The tensors of a checkpoint, in one file or in several that an index names.

    Each tensor is read when asked for, through a mapping that is dropped again: pages of a file
    that stays mapped would count as memory of the process.
    """

    def __init__(self, folder: str | Path):
        """Reads the headers of all files.

        Raises:
          FileNotFoundError: there are no weights, or a file that the index names is missing.
          ValueError: a file is not in the safetensors format, or lacks what the index names.
        """
        folder = Path(folder)
        index = folder / INDEX
        if (folder / WEIGHTS).is_file() or not index.is_file():
            self._path_of = dict.fromkeys(_names(folder / WEIGHTS), folder / WEIGHTS)
            return
        weight_map = _read_json(index).get("weight_map")
        if not isinstance(weight_map, dict):
            raise ValueError(f"{index} has no weight_map: download it again")
        held = {name: set(_names(folder / name)) for name in sorted(set(weight_map.values()))}
        for tensor, name in weight_map.items():
            if tensor not in held[name]:
                raise ValueError(
                    f"{index} says that {name} holds {tensor!r}, which it does not: download both "
                    "again"
                )
        self._path_of = {tensor: folder / name for tensor, name in weight_map.items()}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor."""
        found = {}
        for path in sorted(set(self._path_of.values())):
            with _open(path) as file:
                found |= {n: tuple(file.get_slice(n).get_shape()) for n in file.keys()}
        return found

    def read(self, name: str) -> np.ndarray:
        """One tensor, in the dtype of the file."""
        with _open(self._path_of[name]) as file:
            return file.get_tensor(name)

    def check_floating(self, names: Collection[str]) -> None:
        """Raises ValueError naming the tensors that do not hold floating-point numbers."""
        wrong = []
        for path in sorted({self._path_of[name] for name in names}):
            with _open(path) as file:
                for name in set(file.keys()) & set(names):
                    if (kind := file.get_slice(name).get_dtype()) not in _FLOATS:
                        wrong.append(f"{name} is {kind}")
        if wrong:
            raise ValueError(
                f"tensors {sorted(wrong)} must hold floating-point numbers ({', '.join(_FLOATS)})"
            )


def _open(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        return safe_open(path, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is not a safetensors file, or was cut short ({path.stat().st_size} bytes): "
            f"{error}; download it again"
        ) from error


def _names(path: Path) -> list[str]:
    with _open(path) as file:
        return list(file.keys())


def read_config(folder: str | Path) -> dict[str, Any]:
    """The contents of a folder's config.json.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is not a JSON object.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"no configuration at {path}")
    return _read_json(path)


def _read_json(path: Path) -> dict[str, Any]:
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
    max_shard_bytes: int | None = None,
) -> None:
    """Writes config.json and the weights, each file to a temporary name and then renamed.

    Args:
      folder: made if it does not exist.
      config: contents of config.json.
      tensors: contents of model.safetensors.
      dtype: floating-point tensors are cast to it; None keeps theirs.
      max_shard_bytes: larger checkpoints are split into model-00001-of-0000N.safetensors and an
        index; None writes one file.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The format writes memory as it lies, so views must be made contiguous first.
    stored = {name: np.asarray(_cast(value, dtype), order="C") for name, value in tensors.items()}
    shards = _split(stored, max_shard_bytes)
    if len(shards) == 1:
        _write_weights(folder / WEIGHTS, stored)
    else:
        names = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))]
        for name, shard in zip(names, shards, strict=True):
            _write_weights(folder / name, shard)
        index = {
            "metadata": {"total_size": sum(value.nbytes for value in stored.values())},
            "weight_map": {t: n for n, shard in zip(names, shards, strict=True) for t in shard},
        }
        _write_json(folder / INDEX, index)
    _write_json(folder / CONFIG, config)


def _split(tensors: Mapping[str, np.ndarray], most: int | None) -> list[dict[str, np.ndarray]]:
    """Tensors in groups of at most `most` bytes; one that is larger stands alone."""
    groups: list[dict[str, np.ndarray]] = [{}]
    size = 0
    for name, value in tensors.items():
        if most is not None and groups[-1] and size + value.nbytes > most:
            groups.append({})
            size = 0
        groups[-1][name] = value
        size += value.nbytes
    return groups


def _write_weights(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    save_file(dict(tensors), partial, metadata={"format": "pt"})
    os.replace(partial, path)


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(partial, path)


def _cast(value: np.ndarray, dtype: Any) -> np.ndarray:
    if dtype is None or not jnp.issubdtype(value.dtype, jnp.floating):
        return value
    return value.astype(jnp.dtype(dtype))
