"""ONNX models that lie in wheels of other projects, run without these projects' code."""

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


class NotInstalledError(ValueError):
    """A judge's package is not here; says what installs it."""


def weights_in_wheel(package: str, file: str, install: str) -> Path:
    """The path of a file that an installed package brings; the package is not imported.

    Args:
      package: its import name.
      file: in the folder of the package.
      install: what installs it.

    Raises:
      NotInstalledError: the package is not installed, or has no such file.
    """
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder) / file
        if path.is_file():
            return path
    raise NotInstalledError(f"{file} of {package!r} is not installed: {install}")


def open_onnx(path: Path) -> "onnxruntime.InferenceSession":
    """A model ready to run on the CPU, in one thread: results do not depend on the machine's cores.

    Raises:
      NotInstalledError: onnxruntime is not installed.
      ValueError: the file holds no model that it runs.
    """
    try:
        import onnxruntime
    except ImportError:
        raise NotInstalledError(
            "onnxruntime is not installed: pip install 'audiogen-jax[eval]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has its own, of no common class
        raise ValueError(f"{path} is no model that onnxruntime runs: {error}") from None


onnx_session = functools.lru_cache(maxsize=4)(open_onnx)
"""The same, opened once for each path: of files that do not change."""
