"""Weights of networks that others trained, in files of the user."""

import zipfile
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from audiogen_jax.checkpoints.hub import HUB_NAME, download_files
from audiogen_jax.checkpoints.torch_file import TorchFile
from audiogen_jax.checkpoints.torch_stream import read_torch_stream
from audiogen_jax.files.remote import is_remote, local_copy


def find_file(source: str | Path) -> Path:
    """A file that is here, in an object store or on the hub.

    Args:
      source: a path, a URL such as gs://bucket/file, or owner/name/file of a hub repository, which
        is asked where there is no such path.

    Raises:
      FileNotFoundError: there is none.
      ValueError: the hub or the store does not have it, or cannot be reached.
    """
    path = Path(source)
    if path.exists():
        return path
    if is_remote(source):
        return local_copy(source)
    owner, _, rest = str(source).partition("/")
    name, _, file = rest.partition("/")
    if path.is_absolute() or not file or not HUB_NAME.fullmatch(f"{owner}/{name}"):
        raise FileNotFoundError(f"no file at {source}, nor owner/name/file of a hub repository")
    found = download_files(f"{owner}/{name}", [file, f"{file}/*"]) / file
    if not found.exists():
        raise FileNotFoundError(f"no file at {source}, and hub repository {owner}/{name} has none")
    return found


def read_weights(path: Path, under: str | None = None) -> dict[str, np.ndarray]:
    """The tensors of a file by name, as float32 where they are floats.

    Args:
      path: of safetensors, or of what torch wrote, which is read without running anything in it.
      under: a dictionary of torch that holds them, where the file has one of that name.

    Raises:
      ValueError: it is no such file, or damaged.
      OSError: it cannot be read.
    """
    if path.suffix == ".safetensors":
        try:
            tensors = load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path} cannot be read as safetensors: {error}") from None
    elif zipfile.is_zipfile(path):
        file = TorchFile(path, under or "state_dict")
        tensors = {name: file.read(name) for name in file.shapes()}
        file.verify()
    else:
        tensors = read_torch_stream(path, under)
    return {name: _float32(value) for name, value in tensors.items()}


def take_weights(tensors: dict[str, np.ndarray], names: tuple[str, ...], what: str, path: Path):
    """The tensors that a network reads.

    Raises:
      ValueError: some are not there.
    """
    if missing := [name for name in names if name not in tensors]:
        raise ValueError(
            f"{path} holds no {what}: {len(missing)} of its {len(names)} tensors are missing, "
            f"{', '.join(missing[:4])}{', …' if missing[4:] else ''}"
        )
    return {name: tensors[name] for name in names}


def _float32(value: np.ndarray) -> np.ndarray:
    return value if np.issubdtype(value.dtype, np.integer) else value.astype(np.float32)
