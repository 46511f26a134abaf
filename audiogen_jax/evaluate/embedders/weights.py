"""Weights of networks that others trained, in files of the user."""

import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

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
    repository, file = "/".join(path.parts[:2]), "/".join(path.parts[2:])
    if not file or not HUB_NAME.fullmatch(repository):
        raise FileNotFoundError(f"no file at {source}, nor owner/name/file of a hub repository")
    beside = str(PurePosixPath(file).with_suffix(".json"))
    downloaded = download_files(repository, [f"{file}*", beside]) / file
    if not downloaded.is_file():
        raise FileNotFoundError(f"no file at {source}, and hub repository {repository} has none")
    return downloaded


def find_folder(source: str | Path, files: Sequence[str]) -> Path:
    """A folder that is here, in an object store or a repository of the hub.

    Args:
      source: a path, a URL, or owner/name, which the hub is asked for where there is no such path.
      files: that are read of it; those of a repository may be patterns.

    Raises:
      FileNotFoundError: there is none.
      ValueError: the hub or the store does not have it, or cannot be reached.
    """
    if is_remote(source):
        return local_copy(source)
    if Path(source).is_dir():
        return Path(source)
    if not HUB_NAME.fullmatch(str(source)):
        raise FileNotFoundError(f"no folder {source}, nor owner/name of a hub repository")
    return download_files(str(source), files)


def read_weights(path: Path, under: str | None = None) -> dict[str, np.ndarray]:
    """The tensors of a file by name, as float32 where they are floats.

    Args:
      path: of safetensors, or of what torch wrote, which is read without running anything in it.
      under: the dictionary in a file of torch that holds them; that of the file itself if None.

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
