"""Numbers of Python, numpy and jax are one: settings hold those of Python, whoever gave them.

The command line reads these settings before anything else, so that nothing here imports numpy
before it is needed.
"""

import math
from collections.abc import Iterable


def as_python(value: object) -> object:
    """A number or truth value of numpy or jax as that of Python; anything else as it is."""
    if isinstance(value, type) or not hasattr(value, "dtype"):
        return value
    import numpy as np

    array = np.asarray(value)
    if array.ndim or array.dtype.kind in "cOSUMm":
        return value
    return {"b": bool, "i": int, "u": int}.get(array.dtype.kind, float)(array)


def as_number(value: object) -> float | None:
    """A real number of Python, numpy or jax as a float; None if it is none."""
    value = as_python(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def as_integer(value: object) -> int | None:
    """An integer of Python, numpy or jax as an int; None if it is none."""
    value = as_python(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def as_interval(value: object) -> tuple[float, float] | None:
    """Two numbers; None if it is something else."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return None
    try:
        numbers = [as_number(number) for number in value]
    except TypeError:  # an array without axes
        return None
    match numbers:
        case [float(low), float(high)]:
            return low, high
    return None


def check_count(name: str, value: object) -> int:
    """A number of things as an int.

    Raises:
      ValueError: it is no integer, or below 1.
    """
    count = as_integer(value)
    if count is None or count < 1:
        raise ValueError(f"{name}={value!r}: expected an integer of at least 1")
    return count
