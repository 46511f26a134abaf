"""Latents on disk: `.npz` or `.safetensors` holding one clip's latents and its length."""

import zipfile
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Float

from audiogen_jax.files.atomic import written_atomically

FORMATS = (".npz", ".safetensors")


def write_latents(path: str | Path, latents: Float[np.ndarray, "t c"], num_samples: int) -> Path:
    """Writes arrays `latents` (float32 [t c]) and `num_samples` (int64, samples encoded).

    Raises:
      ValueError: another suffix, or NaN or infinite latents.
      OSError: the file cannot be written.
    """
    path = Path(path)
    check_latents_suffix(path)
    if not np.isfinite(latents).all():
        raise ValueError(f"{path}: the latents hold NaN or infinite values")
    arrays = {
        "latents": np.ascontiguousarray(latents, np.float32),
        "num_samples": np.array(num_samples, np.int64),
    }
    with written_atomically(path) as temporary:
        if path.suffix == ".npz":
            np.savez(temporary, **arrays)
        else:
            safetensors.numpy.save_file(arrays, temporary)
    return path


def read_latents(path: str | Path) -> tuple[Float[np.ndarray, "t c"], int | None]:
    """Reads latents [t c] and, if the file tells, the number of samples they stand for.

    Raises:
      FileNotFoundError: no such file.
      ValueError: another suffix or format, no array `latents` [t c], NaN or infinite latents.
    """
    path = Path(path)
    check_latents_suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"no latents at {path}")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        else:
            arrays = safetensors.numpy.load_file(path)
    except (
        ValueError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
        safetensors.SafetensorError,
    ) as error:
        raise ValueError(f"{path} is not a {path.suffix} file: {error}") from error
    latents = arrays.get("latents")
    if latents is None or latents.ndim != 2 or not latents.size:
        raise ValueError(f"{path} holds {sorted(arrays)}: expected an array 'latents' [t c]")
    if not np.isfinite(latents).all():
        raise ValueError(f"{path}: the latents hold NaN or infinite values")
    length = arrays.get("num_samples")
    return latents.astype(np.float32), None if length is None else int(length)


def check_latents_suffix(path: Path) -> None:
    """Raises ValueError unless `path` ends in a format that latents are kept in."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: latents are kept as {' or '.join(FORMATS)}, not {path.suffix!r}")
