"""Files that torch wrote before 1.6: pickles one after another, and the numbers behind them.

Read as `torch_file` reads later ones: without torch, and without running anything in them.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from audiogen_jax.checkpoints.torch_file import DTYPES, Storage, TensorUnpickler, TensorView

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


class _StreamUnpickler(TensorUnpickler):
    """Remembers which storages there are."""

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def persistent_load(self, pid: object) -> Storage:
        match pid:
            case ("storage", str(kind), str(key), str(), int(size), None) if kind in DTYPES:
                return self.storages.setdefault(key, Storage(key, DTYPES[kind], size))
        return super().persistent_load(pid)


def read_torch_stream(path: str | Path, name: str | None = None) -> dict[str, np.ndarray]:
    """The tensors of a file.

    Args:
      path: of the file, which holds a dictionary of tensors, or of such dictionaries.
      name: of the dictionary that is read; that of the file itself if None.

    Raises:
      ValueError: it is no such file, was cut short, or does more than name tensors.
      OSError: it cannot be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read(file, name)
    except OSError:
        raise
    except Exception as error:  # damaged pickles raise anything
        raise ValueError(
            f"{path} cannot be read as tensors of torch before 1.6: {error}; nothing in it was run"
        ) from None


def _read(file: BinaryIO, name: str | None) -> dict[str, np.ndarray]:
    magic, protocol, system = (TensorUnpickler(file).load() for _ in range(3))
    if magic != MAGIC or protocol != PROTOCOL or system.get("little_endian") is not True:
        raise ValueError("it begins otherwise than those do")
    reader = _StreamUnpickler(file)
    content = reader.load()
    tensors = dict(content if name is None else content[name])
    numbers: dict[str, np.ndarray] = {}
    for key in TensorUnpickler(file).load():
        storage = reader.storages[key]
        size = int.from_bytes(file.read(8), "little")
        numbers[key] = np.fromfile(file, storage.dtype, storage.size)
        if size != storage.size or len(numbers[key]) != size:
            raise ValueError(f"storage {key} has {len(numbers[key])} of {storage.size} numbers")
    arrays = {}
    for key, tensor in tensors.items():
        if not isinstance(tensor, TensorView):
            raise ValueError(f"{key!r:.80} is a {type(tensor).__name__}, not a tensor")
        flat = numbers[tensor.storage.key]
        strides = [step * flat.itemsize for step in tensor.strides]
        arrays[key] = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides)
    return arrays
