"""Arrays where `jax.device_put` on a CPU takes them without a copy."""

import math
from collections.abc import Sequence

import numpy as np

_ALIGNMENT = 64


def aligned(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Numbers that are not set yet, in C order."""
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    first = -raw.ctypes.data % _ALIGNMENT
    return raw[first : first + size].view(dtype).reshape(shape)


def in_order(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The same numbers of a type in C order: itself, or an aligned copy."""
    if value.flags.c_contiguous and value.dtype == dtype:
        return value
    copy = aligned(value.shape, dtype)
    copy[...] = value
    return copy
