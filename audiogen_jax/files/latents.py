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
    """Writes arrays `latents` (float32 [t c]) and `num_samples` (int64).

    Args:
      path: ends in one of `FORMATS`; missing folders are made.
      latents: float [t c].
      num_samples: how many samples were encoded.

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
    """Reads what `write_latents` wrote, or an array `latents` [t c] alone.

    Returns:
      Latents float32 [t c], and the number of samples they stand for if the file tells.

    Raises:
      FileNotFoundError: no such file.
      ValueError: another suffix or format, other arrays, NaN or infinite latents.
    """
    path = Path(path)
    check_latents_suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"no latents at {path}")
    try:
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
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
    try:
        latents = np.asarray(arrays["latents"], np.float32)
        num_samples = int(arrays["num_samples"]) if "num_samples" in arrays else None
    except (KeyError, ValueError, TypeError):
        latents, num_samples = np.empty(0, np.float32), None
    if latents.ndim != 2 or not latents.size or (num_samples is not None and num_samples < 0):
        shapes = {name: list(array.shape) for name, array in arrays.items()}
        raise ValueError(
            f"{path} holds {shapes}: "
            "expected numbers 'latents' [t c], and one 'num_samples' or none"
        )
    if not np.isfinite(latents).all():
        raise ValueError(f"{path}: the latents hold NaN or infinite values")
    return latents, num_samples


def check_latents_suffix(path: Path) -> None:
    """Raises ValueError unless `path` ends in a format that latents are kept in."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: latents are kept as {' or '.join(FORMATS)}, not {path.suffix!r}")
