"""Graphs in files of ONNX, with errors that name the file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from audiogen_jax.evaluate.recognisers.wheel_weights import open_onnx
from audiogen_jax.files.fingerprint import sha256


class OnnxGraph:
    """A graph on the CPU, in one thread: the same input gives the same bits.

    Attributes:
      path: of the file.
      inputs: names of what it reads.
      outputs: names of what it gives.
    """

    def __init__(self, path: Path):
        """Reads the file.

        Raises:
          FileNotFoundError: there is none.
          ValueError: it is no graph that onnxruntime runs, or onnxruntime is not installed.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no file at {path}")
        self.path = path
        self._session = open_onnx(path)
        self._shapes = {each.name: each.shape for each in self._session.get_inputs()}
        self.inputs = tuple(self._shapes)
        self.outputs = tuple(each.name for each in self._session.get_outputs())

    @property
    def sha256(self) -> str:
        """Of the file, and of those beside it whose names begin with its own: its weights."""
        files = (each for each in self.path.parent.iterdir() if each.is_file())
        return sha256(*sorted(each for each in files if each.name.startswith(self.path.name)))

    def run(self, output: str, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """One output for some inputs.

        Args:
          output: of `outputs`.
          values: of `inputs`; one for which the graph has more axes gets these in front.

        Raises:
          ValueError: an input is missing or of another shape, or what comes out is not finite.
        """
        if set(values) != set(self.inputs):
            raise ValueError(
                f"{self.path} reads {', '.join(self.inputs)}: expected a graph that reads "
                f"{', '.join(values)}"
            )
        fed = {name: self._fitted(name, value) for name, value in values.items()}
        try:
            result = np.asarray(self._session.run([output], fed)[0])
        except Exception as error:  # onnxruntime has its own, of no common class
            raise ValueError(f"{self.path} cannot be run: {error}") from None
        if not np.isfinite(result).all():
            raise ValueError(f"{self.path} gives NaN or infinite values as {output}")
        return result

    def _fitted(self, name: str, value: np.ndarray) -> np.ndarray:
        shape = self._shapes[name]
        value = value.reshape((1,) * (len(shape) - value.ndim) + value.shape)
        sizes = zip(shape, value.shape, strict=False)
        if len(shape) != value.ndim or any(isinstance(n, int) and n != m for n, m in sizes):
            raise ValueError(f"{self.path}: {name} is {shape}, and was given {list(value.shape)}")
        return value
