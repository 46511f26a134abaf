"""The tensors of a checkpoint under other names, or computed from others."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from audiogen_jax.checkpoints.layout import Layout
from audiogen_jax.checkpoints.mapping import TensorFile


class Beneath:
    """The tensors of one of several models that share a file, without its prefix.

    Attributes:
      path: of the file.
    """

    def __init__(self, file: TensorFile, prefix: str):
        """Takes the file, and what the names of the model's tensors start with."""
        self._file, self._prefix = file, prefix
        self.path: Path = file.path

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `TensorFile`."""
        return {
            name.removeprefix(self._prefix): shape
            for name, shape in self._file.shapes().items()
            if name.startswith(self._prefix)
        }

    def read(self, name: str) -> np.ndarray:
        """See `TensorFile`."""
        return self._file.read(self._prefix + name)

    def check_floating(self, names: Collection[str]) -> None:
        """See `TensorFile`."""
        self._file.check_floating([self._prefix + name for name in names])

    def verify(self) -> None:
        """See `TensorFile`."""
        self._file.verify()

    def layout(self, released: Layout) -> Layout:
        """See `TensorFile`."""
        return self._file.layout(released)


class WithoutWeightNorm:
    """Weights in the place of their directions and lengths.

    A weight is g v / |v| along its first axis (https://arxiv.org/abs/1602.07868, equation 2); torch
    keeps "x.weight_g" and "x.weight_v". Here they are "x.weight", computed in float64. Weights that
    are not normalised stay as they are.

    Attributes:
      path: of the file.
    """

    def __init__(self, file: TensorFile):
        """Takes the file."""
        self._file = file
        self.path: Path = file.path

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `TensorFile`; a direction without a length, or the reverse, keeps its name."""
        shapes = self._file.shapes()
        for direction in [name for name in shapes if name.endswith(".weight_v")]:
            length = direction[:-1] + "g"
            shape = shapes[direction]
            if shapes.get(length) == (shape[0], *[1] * (len(shape) - 1)):
                del shapes[direction], shapes[length]
                shapes[direction[:-2]] = shape
        return shapes

    def read(self, name: str) -> np.ndarray:
        """See `TensorFile`."""
        if name in self._file.shapes():
            return self._file.read(name)
        direction = self._file.read(f"{name}_v").astype(np.float64)
        length = self._file.read(f"{name}_g").astype(np.float64)
        norm = np.sqrt(np.sum(direction**2, axis=tuple(range(1, direction.ndim)), keepdims=True))
        if not norm.all():
            raise ValueError(f"{self.path}: {name}_v has a direction of length 0")
        return (length * direction / norm).astype(np.float32)

    def check_floating(self, names: Collection[str]) -> None:
        """See `TensorFile`."""
        whole = self._file.shapes()
        halves = [f"{name}_{half}" for name in names if name not in whole for half in "gv"]
        self._file.check_floating([name for name in names if name in whole] + halves)

    def verify(self) -> None:
        """See `TensorFile`."""
        self._file.verify()

    def layout(self, released: Layout) -> Layout:
        """See `TensorFile`."""
        return self._file.layout(released)
