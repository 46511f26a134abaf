"""Checkpoints that torch wrote, read without torch and without running anything in them.

A file of `torch.save` is a zip archive: a pickle that says which tensors there are, and their bytes
beside it. A pickle is a program; of what it may call, only the building of tensors and of ordered
dictionaries is there, in forms that do nothing. Anything else that it asks for is an error before
it is looked up.
"""

import io
import math
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from audiogen_jax.checkpoints.layout import Layout
from audiogen_jax.files.content_hashes import ContentCheck

_MOST_PICKLED = 1 << 26
"""Bytes of the longest list of tensors that is read: those of a model of 2420 take half a MB."""
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_FLOATS = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": np.dtype(jnp.bfloat16),
}
DTYPES = _FLOATS | {
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(bool),
}


class Storage(NamedTuple):
    """Numbers in the archive."""

    key: str
    dtype: np.dtype
    size: int


class TensorView(NamedTuple):
    """A view of a storage, as torch describes it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class TorchFile:
    """The tensors of a file that `torch.save` wrote; see `TensorFile`.

    Attributes:
      path: of the file.
    """

    def __init__(self, path: str | Path, under: str = "state_dict"):
        """Reads what tensors there are.

        Args:
          path: of a file that holds a dictionary of tensors, or one in another.
          under: the name of the inner dictionary.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: it is none that torch wrote, was cut short, or holds more than tensors.
        """
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"no weights at {self.path}")
        try:
            with zipfile.ZipFile(self.path) as archive:
                self._entries, self._root = _entries(archive)
                pickled = archive.read(f"{self._root}/data.pkl")
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
            raise ValueError(
                f"{self.path} is not a file of torch.save in its format since torch 1.6, or was "
                f"cut short ({self.path.stat().st_size} bytes): {error}; download it again"
            ) from None
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        self._tensors = _tensors(self.path, pickled, under)
        self._contents = ContentCheck(self.path.parent, [self.path.name])

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `TensorFile`."""
        return {name: tensor.shape for name, tensor in self._tensors.items()}

    def read(self, name: str) -> np.ndarray:
        """One tensor, in the dtype of the file.

        Raises:
          ValueError: the file does not hold its numbers.
        """
        self._contents.start()
        (key, dtype, size), offset, shape, strides = self._tensors[name]
        place = self._entries.get(f"{self._root}/data/{key}")
        if place is None or place.file_size != size * dtype.itemsize:
            raise ValueError(f"{self.path}: {name} has no {size} numbers of {dtype} in the archive")
        numbers = np.fromfile(self.path, dtype, size, offset=self._start(place))
        if numbers.size != size:
            raise ValueError(f"{self.path} was cut short while it was read, at {name}")
        if zlib.crc32(numbers.tobytes()) != place.CRC:
            raise ValueError(f"{self.path}: {name} is damaged: download the file again")
        bytes_apart = [step * dtype.itemsize for step in strides]
        return np.lib.stride_tricks.as_strided(numbers[offset:], shape, bytes_apart)

    def check_floating(self, names: Collection[str]) -> None:
        """See `TensorFile`."""
        kinds = {name: self._tensors[name].storage.dtype for name in names}
        wrong = [
            f"{name} is {kind}" for name, kind in kinds.items() if kind not in _FLOATS.values()
        ]
        if wrong:
            raise ValueError(
                f"{self.path}: tensors {sorted(wrong)} must hold floating-point numbers"
            )

    def verify(self) -> None:
        """See `TensorFile`."""
        self._contents.wait()

    def layout(self, released: Layout) -> Layout:
        """That of the release."""
        return released

    def _start(self, entry: zipfile.ZipInfo) -> int:
        """First byte of an entry's contents, which stand after a header of their own."""
        with self.path.open("rb") as file:
            file.seek(entry.header_offset)
            header = file.read(_LOCAL_HEADER.size + 4)
        if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise ValueError(f"{self.path}: {entry.filename} is not where the archive says")
        _, name, extra = _LOCAL_HEADER.unpack(header[: _LOCAL_HEADER.size])
        return entry.header_offset + _LOCAL_HEADER.size + name + extra


def _entries(archive: zipfile.ZipFile) -> tuple[dict[str, zipfile.ZipInfo], str]:
    """The entries of an archive, and the folder in it that holds the pickle.

    Raises:
      ValueError: it is laid out otherwise than torch does.
    """
    entries = {entry.filename: entry for entry in archive.infolist()}
    roots = [name.removesuffix("/data.pkl") for name in entries if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ValueError(f"no archive of torch.save: {len(roots)} entries are called data.pkl")
    (root,) = roots
    if (size := entries[f"{root}/data.pkl"].file_size) > _MOST_PICKLED:
        raise ValueError(f"data.pkl of {size} bytes: expected at most {_MOST_PICKLED}")
    if packed := [name for name, entry in entries.items() if entry.compress_type]:
        raise ValueError(f"{packed[0]} is compressed, which torch does not do")
    order = f"{root}/byteorder"
    if order in entries and archive.read(order) != b"little":
        raise ValueError("the numbers are big-endian: save it on another machine")
    return entries, root


class TensorUnpickler(pickle.Unpickler):
    """Runs a pickle that may build tensors and ordered dictionaries, and call nothing else."""

    def find_class(self, module_name: str, global_name: str) -> object:
        """What the pickle may name."""
        allowed: dict[tuple[str, str], object] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
            **{("torch", name): name for name in DTYPES},
        }
        try:
            return allowed[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module_name}.{global_name}, which is no part of a tensor"
            ) from None

    def persistent_load(self, pid: object) -> Storage:
        """The storage that an entry of the archive is."""
        match pid:
            case ("storage", str(kind), str(key), str(), int(size)) if kind in DTYPES:
                return Storage(key, DTYPES[kind], size)
        raise pickle.UnpicklingError("it describes numbers in a way that torch does not")


def _rebuild_tensor(
    storage: Storage,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    requires_grad: bool = False,
    hooks: object = None,
    metadata: object = None,
) -> TensorView:
    numbers = (offset, *shape, *strides)
    counts = all(type(number) is int and number >= 0 for number in numbers)
    if not isinstance(storage, Storage) or not counts or len(shape) != len(strides):
        raise pickle.UnpicklingError("it describes a tensor in a way that torch does not")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= storage.size:
        raise pickle.UnpicklingError(f"a tensor of shape {shape} has too few numbers")
    return TensorView(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: TensorView, requires_grad: bool = False, hooks: object = None):
    return tensor


def _tensors(path: Path, pickled: bytes, under: str) -> dict[str, TensorView]:
    """Runs the pickle.

    Raises:
      ValueError: it is damaged, does more than name tensors, or names none.
    """
    try:
        content = TensorUnpickler(io.BytesIO(pickled)).load()
    except Exception as error:  # damaged pickles raise anything
        raise ValueError(
            f"{path}: its data.pkl cannot be read as a list of tensors: {error}. Nothing in it was "
            "run; take a file of safetensors, or one whose origin you know"
        ) from None
    if isinstance(content, dict) and isinstance(inner := dict.get(content, under), dict):
        content = inner
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}: expected tensors by name")
    tensors = dict(dict.items(content))
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, TensorView):
            raise ValueError(f"{path}: {name!r:.80} is a {type(tensor).__name__}, not a tensor")
    if not tensors:
        raise ValueError(f"{path} holds no tensors")
    return tensors
