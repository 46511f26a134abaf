"""Reads a config file `FILE.py[:ARG]` and applies `key.path=value` overrides to it."""

import ast
import difflib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_collections


def load_config(spec: str, overrides: Sequence[str] = ()) -> ml_collections.ConfigDict:
    """Calls `get_config(ARG)` of a config file and overrides fields of the result.

    Args:
      spec: `FILE.py` or `FILE.py:ARG`; without ARG the function gets an empty string.
      overrides: `key.path=value`; values are Python literals, anything else is a string.

    Returns:
      The locked config.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file has no get_config, a key is unknown or a value has the wrong type.
    """
    name, _, arg = str(spec).partition(":")
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"config file {name!r} does not exist")
    module_spec = importlib.util.spec_from_file_location(path.stem, path)
    if module_spec is None or module_spec.loader is None:
        raise ValueError(f"config file {name!r} is no Python file")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ValueError(f"config file {name!r} has no function get_config(arg)")
    config = module.get_config(arg)
    for override in overrides:
        _override(config, override)
    return config.lock()


def _override(config: ml_collections.ConfigDict, override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator:
        raise ValueError(f"override {override!r}: expected key.path=value")
    *parents, field = key.split(".")
    node: Any = config
    for parent in parents:
        node = (
            node[parent] if isinstance(node, ml_collections.ConfigDict) and parent in node else None
        )
    if not isinstance(node, ml_collections.ConfigDict) or field not in node:
        known = _flat_keys(config)
        close = difflib.get_close_matches(key, known, n=3) or known
        raise ValueError(f"unknown config key {key!r}; did you mean one of {close}?")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    try:
        node[field] = value
    except TypeError as error:
        expected = type(node[field]).__name__
        raise ValueError(f"config key {key!r}: {value!r} is no {expected}") from error


def without_remat(config: Any) -> ml_collections.ConfigDict:
    """A copy of a config in which nothing is rematerialised."""
    copy = ml_collections.ConfigDict(config)
    copy.remat = ""
    return copy


def _flat_keys(config: ml_collections.ConfigDict, prefix: str = "") -> list[str]:
    keys = []
    for name, value in config.items():
        if isinstance(value, ml_collections.ConfigDict):
            keys += _flat_keys(value, f"{prefix}{name}.")
        else:
            keys.append(f"{prefix}{name}")
    return keys
