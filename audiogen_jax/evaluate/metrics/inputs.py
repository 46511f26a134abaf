"""What metrics are given, as float64 arrays or one clear error: never NaN, never a wrong shape."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike


def rows(values: ArrayLike, name: str, least: int = 1) -> Float[np.ndarray, "n d"]:
    """A vector of each clip.

    Args:
      values: [n d].
      name: of the values, for the error.
      least: clips that the metric needs.

    Raises:
      ValueError: not [n d], too few clips, NaN or infinite.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(f"{name} of shape {array.shape}: expected [n d]")
    if len(array) < least:
        raise ValueError(f"{name} of {len(array)} clips: expected at least {least}")
    if bad := np.flatnonzero(~np.isfinite(array).all(axis=1)).tolist():
        raise ValueError(f"{name} of clip {bad[0]} ({len(bad)} in all) hold NaN or infinite values")
    return array


def two_sets(
    reference: ArrayLike, generated: ArrayLike, name: str, least: int = 1
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]:
    """Two sets of vectors of the same width, each as `rows` gives it, with its errors."""
    a = rows(reference, f"{name} of the reference", least)
    b = rows(generated, f"{name} generated", least)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{name} {a.shape} and {b.shape}: expected [n d] and [m d]")
    return a, b


def pairs(
    reference: ArrayLike, generated: ArrayLike, name: str
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]:
    """Two sets whose vectors belong together: as `two_sets`, and as many of each."""
    a, b = two_sets(reference, generated, name)
    if len(a) != len(b):
        raise ValueError(f"{name} of {len(a)} and of {len(b)} clips: expected pairs")
    return a, b


def signals(
    reference: ArrayLike, estimate: ArrayLike
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Two waveforms of the same length.

    Raises:
      ValueError: not [n] both, empty, NaN or infinite.
    """
    a, b = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"signals of shape {a.shape} and {b.shape}: expected [n]")
    for name, signal in (("reference", a), ("estimate", b)):
        if not np.isfinite(signal).all():
            raise ValueError(f"the {name} holds NaN or infinite values")
    return a, b


def sorted_rows(array: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """The rows in the order of their bytes, so that sums over a set have the same rounding.

    Scores of sets thus do not depend on the order of the clips, to the bit.
    """
    array = np.ascontiguousarray(array + 0.0)  # -0.0 and 0.0 are the same value
    return array[sorted(range(len(array)), key=lambda row: array[row].tobytes())]
