"""Files in the format of torch.save, written without torch."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import numpy as np

_KINDS = {"float32": "FloatStorage", "bfloat16": "BFloat16Storage", "int64": "LongStorage"}


def save(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes {"state_dict": tensors} as torch does: a pickle of calls, and storages beside it."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild(*arguments):
        raise AssertionError("it is named in the pickle, not called")

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    for name in _KINDS.values():
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))

    class Storage:
        def __init__(self, key, kind, size):
            self.id = ("storage", getattr(torch, kind), key, "cpu", size)

    class Tensor:
        def __init__(self, key, value):
            self.key, self.value = key, value

        def __reduce__(self):
            value = self.value
            storage = Storage(self.key, _KINDS[value.dtype.name], value.size)
            strides = tuple(step // value.itemsize for step in value.strides)
            return rebuild, (storage, 0, value.shape, strides, False, OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value.id if isinstance(value, Storage) else None

    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    keys = {name: str(i) for i, name in enumerate(contiguous)}
    buffer = io.BytesIO()
    with mock.patch.dict(sys.modules, {"torch": torch, "torch._utils": utils}):
        content = OrderedDict((name, Tensor(keys[name], v)) for name, v in contiguous.items())
        Pickler(buffer, protocol=2).dump({"state_dict": content})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", buffer.getvalue())
        archive.writestr("model/byteorder", b"little")
        for name, value in contiguous.items():
            archive.writestr(f"model/data/{keys[name]}", value.tobytes())
