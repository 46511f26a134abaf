"""Folders in Hugging Face layout: config.json and model.safetensors."""

import io
import json
import math
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from huggingface_hub import split_state_dict_into_shards_factory
from jaxtyping import DTypeLike
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from audiogen_jax.checkpoints.aligned import aligned
from audiogen_jax.checkpoints.config_file import CONFIG, write_config
from audiogen_jax.checkpoints.layout import Layout
from audiogen_jax.checkpoints.mapping import export_params
from audiogen_jax.files.atomic import written_atomically
from audiogen_jax.files.content_hashes import ContentCheck, check_contents, record_contents
from audiogen_jax.files.json_object import read_object, write_object
from audiogen_jax.types import Params

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_FLOATS = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": jnp.bfloat16}
_DTYPES = _FLOATS | {"I64": np.int64, "I32": np.int32}


class _Tensor(NamedTuple):
    """Where a tensor is: its file, its type as the format calls it, its shape, its first byte."""

    path: Path
    kind: str
    shape: tuple[int, ...]
    start: int


class SafetensorsFolder:
    """The tensors of a checkpoint, in one file or in several that an index names.

    Each is read when asked for, by plain reads: the pages of a mapped file would count as memory
    of the process, beside the copies that are made of them. `safe_open` maps files and does not
    tell where in them a tensor is, so headers are read here.

    Attributes:
      path: of the only file, or of the index.
    """

    def __init__(self, folder: str | Path):
        """Reads the headers of all files.

        Raises:
          FileNotFoundError: there are no weights, or a file that the index names is missing.
          ValueError: a file is not in the safetensors format, or lacks what the index names.
        """
        folder = Path(folder)
        self.path, index = folder / WEIGHTS, folder / INDEX
        if not self.path.is_file() and index.is_file():
            self.path = index
            self._tensors = _read_index(index)
        elif self.path.is_file():
            self._tensors = _read_header(self.path)
        else:
            raise FileNotFoundError(f"no weights at {self.path}, nor {INDEX} beside it")
        self._contents = ContentCheck(folder, {t.path.name for t in self._tensors.values()})

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `TensorFile`."""
        return {name: tensor.shape for name, tensor in self._tensors.items()}

    def read(self, name: str) -> np.ndarray:
        """One tensor, in the dtype of the file.

        Raises:
          ValueError: it is of a type that no checkpoint has, or the file became shorter.
        """
        self._contents.start()
        path, kind, shape, start = self._tensors[name]
        if kind not in _DTYPES:
            raise ValueError(f"{path}: {name} is {kind}, expected one of {', '.join(_DTYPES)}")
        values = aligned([math.prod(shape)], np.dtype(_DTYPES[kind]))
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            if _fill(file, values.view(np.uint8)) != values.nbytes:
                raise ValueError(f"{path} was cut short while it was read, at {name}")
        return values.reshape(shape)

    def check_floating(self, names: Collection[str]) -> None:
        """See `TensorFile`."""
        kinds = {name: self._tensors[name].kind for name in names}
        wrong = [f"{name} is {kind}" for name, kind in kinds.items() if kind not in _FLOATS]
        if wrong:
            raise ValueError(
                f"{self.path}: tensors {sorted(wrong)} must hold floating-point numbers "
                f"({', '.join(_FLOATS)})"
            )

    def verify(self) -> None:
        """See `TensorFile`."""
        self._contents.wait()

    def layout(self, released: Layout) -> Layout:
        """That of the release."""
        return released


def _fill(file: io.FileIO, values: np.ndarray) -> int:
    """Reads until an array of bytes is full or the file ends; returns how many came."""
    done, view = 0, values.data
    while done < len(view) and (count := file.readinto(view[done:])):
        done += count
    return done


def _read_index(index: Path) -> dict[str, _Tensor]:
    check_contents(index.parent, [INDEX])
    weight_map = read_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(map(_is_file_name, weight_map.values())):
        raise ValueError(f"{index} has no weight_map of tensors to files: download it again")
    headers: dict[str, dict[str, _Tensor]] = {}
    for tensor, name in weight_map.items():
        path = index.parent / name
        if name not in headers:
            if not path.is_file():
                raise FileNotFoundError(
                    f"{path} is missing, which holds {tensor!r} and others according to {INDEX}: "
                    "download it"
                )
            headers[name] = _read_header(path)
        if tensor not in headers[name]:
            raise ValueError(
                f"{index} says that {name} holds {tensor!r}, which it does not: download both again"
            )
    return {tensor: headers[name][tensor] for tensor, name in weight_map.items()}


def _is_file_name(value: object) -> bool:
    return isinstance(value, str) and Path(value).name == value


def _read_header(path: Path) -> dict[str, _Tensor]:
    try:
        with safe_open(path, framework="numpy"):  # checks the header against the file's size
            pass
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is not a safetensors file, or was cut short ({path.stat().st_size} bytes): "
            f"{error}; download it again"
        ) from error
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return {
        name: _Tensor(path, info["dtype"], tuple(info["shape"]), 8 + size + info["data_offsets"][0])
        for name, info in header.items()
    }


def save_safetensors(
    folder: str | Path,
    values: Mapping[str, object],
    params: Params,
    layout: Layout,
    dtype: str | DTypeLike | None = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes the weights, config.json and their hashes, each file whole or not at all.

    Args:
      folder: made if it does not exist.
      values: contents of config.json.
      params: the parameters, layers stacked; the tensors of one file are in memory beside them.
      layout: of the weights.
      dtype: floating-point tensors are cast to it; None keeps theirs.
      max_shard_bytes: larger checkpoints are split into model-00001-of-0000N.safetensors and an
        index; None writes one file.

    Raises:
      ValueError: a parameter is not finite.
      OSError: the folder cannot be written.
    """
    folder = Path(folder)
    plan = split_state_dict_into_shards_factory(
        layout.tensors(params, dtype),
        get_storage_size=lambda tensor: math.prod(tensor.shape) * tensor.dtype.itemsize,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=sys.maxsize if max_shard_bytes is None else max_shard_bytes,
    )
    shards: dict[str, dict[str, np.ndarray]] = {name: {} for name in plan.filename_to_tensors}
    for name, value in export_params(params, layout, dtype):
        file = plan.tensor_to_filename[name]
        # The format writes memory as it lies, so views must be made contiguous first.
        shards[file][name] = np.asarray(value, order="C")
        if len(shards[file]) == len(plan.filename_to_tensors[file]):
            _write_tensors(folder / file, shards.pop(file))
    if plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        write_object(folder / INDEX, index)
    write_config(folder, values)
    record_contents(folder, [*plan.filename_to_tensors, *([INDEX] * plan.is_sharded), CONFIG])


def _write_tensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    with written_atomically(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"format": "pt"})
        except SafetensorError as error:  # a full disk among them
            raise OSError(str(error)) from error
