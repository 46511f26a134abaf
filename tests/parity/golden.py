"""Reading the committed reference tensors and comparing against them."""

import functools
import os
import pathlib

import numpy as np
from jaxtyping import Array
from safetensors.flax import load_file

FOLDER = pathlib.Path(
    os.environ.get("AUDIOGEN_GOLDEN", pathlib.Path(__file__).parent.parent / "golden")
)
"""Another set in the same layout can be checked by the same tests."""


@functools.cache
def golden(name: str, file: str = "io") -> dict[str, Array]:
    """Tensors of tests/golden/<name>/<file>.safetensors."""
    return load_file(FOLDER / name / f"{file}.safetensors")


def error(actual: Array, expected: Array) -> float:
    """Largest absolute difference over the largest absolute value expected."""
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    expected = np.asarray(expected, np.float64)
    return float(np.abs(np.asarray(actual, np.float64) - expected).max() / np.abs(expected).max())
