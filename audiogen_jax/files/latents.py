"""Latents on disk: `.npz` or `.safetensors` holding one clip's latents and its length."""

import io
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Float

from audiogen_jax.files.atomic import write_bytes
from audiogen_jax.types import as_float32

FORMATS = (".npz", ".safetensors")
MAX_BYTES = 1 << 31
"""Of a file, unpacked: 4 hours of latents of the published size."""
_DTYPES = {
    **{"F64": "f8", "F32": "f4", "F16": "f2", "BF16": ml_dtypes.bfloat16},
    **{"F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2},
    **{"I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1"},
    **{"U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1"},
}
"""Types of safetensors that latents or their number of samples are read from."""


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
    if path.suffix == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_bytes(path, buffer.getvalue())
    else:
        write_bytes(path, safetensors.numpy.save(arrays))
    return path


def read_latents(path: str | Path) -> tuple[Float[np.ndarray, "t c"], int | None]:
    """Reads what `write_latents` wrote, or an array `latents` [t c] alone.

    Args:
      path: latents of any float type, bfloat16 and float8 in safetensors; other arrays are ignored.

    Returns:
      Latents float32 [t c], and the number of samples they stand for if the file tells.

    Raises:
      FileNotFoundError: no such file.
      OSError: the file cannot be opened.
      ValueError: another suffix or format, other arrays, NaN or infinite latents.
    """
    path = Path(path)
    check_latents_suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"no latents at {path}")
    with path.open("rb"):  # tells why a file cannot be opened
        pass
    try:
        arrays = _read_npz(path) if path.suffix == ".npz" else _read_safetensors(path)
    except Exception as error:  # of many kinds, for files that are damaged or made to harm
        raise ValueError(f"{path} is not a {path.suffix} file of latents: {error}") from None
    latents, count = arrays.get("latents"), arrays.get("num_samples")
    if latents is None or latents.ndim != 2 or not latents.size or not _counts(count):
        shapes = {name: list(array.shape) for name, array in arrays.items()}
        raise ValueError(
            f"{path} holds {shapes}: expected numbers 'latents' [t c], and one 'num_samples' or "
            "none, an integer of at least 1"
        )
    latents = as_float32(latents, f"{path}: 'latents'")
    if not np.isfinite(latents).all():
        raise ValueError(f"{path}: the latents hold NaN or infinite values")
    return latents, None if count is None else int(count.item())


def _counts(number: np.ndarray | None) -> bool:
    if number is None:
        return True
    return number.size == 1 and number.dtype.kind in "iu" and number.item() >= 1


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        _check_bytes(sum(member.file_size for member in archive.infolist()))
        file.seek(0)
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """All but other arrays of types that numpy has no name for."""
    _check_bytes(path.stat().st_size)
    arrays = {}
    for name, tensor in safetensors.deserialize(path.read_bytes()):
        if tensor["dtype"] in _DTYPES:
            dtype = np.dtype(_DTYPES[tensor["dtype"]])
            arrays[name] = np.frombuffer(tensor["data"], dtype).reshape(tensor["shape"])
        elif name in ("latents", "num_samples"):
            raise ValueError(f"{name!r} is {tensor['dtype']}, not one of {', '.join(_DTYPES)}")
    return arrays


def _check_bytes(size: int) -> None:
    if size > MAX_BYTES:
        raise ValueError(f"{size} bytes, expected at most {MAX_BYTES}")


def check_latents_suffix(path: Path) -> None:
    """Raises ValueError unless `path` ends in a format that latents are kept in."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: latents are kept as {' or '.join(FORMATS)}, not {path.suffix!r}")
