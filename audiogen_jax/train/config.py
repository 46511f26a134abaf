"""Finds a config, `FILE.py[:ARG]` or a packaged `NAME[:ARG]`, and overrides fields of it."""

import importlib.util
import sys
import types
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from audiogen_jax.train.overrides import override
from audiogen_jax.train.stages import STAGES

_PACKAGE = Path(__file__).parents[1]
FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
"""Where configs lie that are asked for by name: in an installed package, in the source tree."""


def load_config(spec: str, overrides: Sequence[str] = ()) -> ConfigDict:
    """Calls `get_config(ARG)` of a config file and overrides fields of the result.

    Args:
      spec: `FILE.py`, or the bare name of a packaged config, and `:ARG` after it; without it the
        function gets an empty string.
      overrides: `key.path=value`; see `overrides.override`.

    Returns:
      The locked config.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file has no get_config, a key is unknown or a value has the wrong type.
    """
    name, _, arg = str(spec).partition(":")
    module = _import_file(find_config(name))
    if not hasattr(module, "get_config"):
        raise ValueError(f"config file {name!r} has no function get_config(arg)")
    config: ConfigDict = module.get_config(arg)
    stage = STAGES.get(str(config.get("objective")))
    for text in overrides:
        override(config, text, stage.config if stage else None)
    return config.lock()


def find_config(name: str) -> Path:
    """The file of a config.

    Args:
      name: its path, or the name of a packaged one ("nano_generator").

    Raises:
      FileNotFoundError: there is none; the packaged ones are listed.
      ValueError: the path is not that of a Python file.
    """
    path = Path(name)
    if path.is_file():
        if path.suffix != ".py":
            raise ValueError(f"config file {name!r} is no Python file")
        return path
    for folder in FOLDERS:
        if name.isidentifier() and (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
    raise FileNotFoundError(
        f"config file {name!r} does not exist; packaged configs are {packaged_configs()}"
    )


def packaged_configs() -> list[str]:
    """Names of the configs that can be asked for without a path."""
    files = [path for folder in FOLDERS for path in folder.glob("*.py")]
    return sorted({path.stem for path in files} - {"__init__", "common"})


def _import_file(path: Path) -> types.ModuleType:
    """Runs a config file; `from . import NAME` in it means the file beside it."""
    folder = path.resolve().parent
    package = f"audiogen_jax_configs_{hash(folder) % 2**64:x}"
    if package not in sys.modules:
        sys.modules[package] = types.ModuleType(package)
        sys.modules[package].__path__ = [str(folder)]
    spec = importlib.util.spec_from_file_location(f"{package}.config", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
