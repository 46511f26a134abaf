"""Reading the committed reference tensors and comparing against them."""

import functools
import os
import pathlib

import jax
import numpy as np
from jaxtyping import Array
from safetensors.numpy import load_file

FOLDER = pathlib.Path(
    os.environ.get("AUDIOGEN_GOLDEN", pathlib.Path(__file__).parent.parent / "golden")
)
"""Another set in the same layout can be checked by the same tests."""


@functools.cache
def golden(name: str, file: str = "io") -> dict[str, np.ndarray]:
    """Tensors of tests/golden/<name>/<file>.safetensors."""
    return load_file(FOLDER / name / f"{file}.safetensors")


@functools.cache
def golden_arrays(name: str, file: str = "io") -> dict[str, Array]:
    """The same on the device, for what takes nothing else outside of a program."""
    return jax.device_put(golden(name, file))


def error(actual: Array | np.ndarray, expected: Array | np.ndarray) -> float:
    """Largest absolute difference over the largest absolute value expected."""
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    expected = np.asarray(expected, np.float64)
    return float(np.abs(np.asarray(actual, np.float64) - expected).max() / np.abs(expected).max())
