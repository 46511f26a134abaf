"""The config.json of a checkpoint folder, and the JSON objects beside it."""

import json
from collections.abc import Mapping
from pathlib import Path

from audiogen_jax.files.atomic import write_text
from audiogen_jax.files.jsonl import Row

CONFIG = "config.json"


def read_config(folder: str | Path) -> Row:
    """The contents of a folder's config.json.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is not a JSON object.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"no configuration at {path}")
    return read_object(path)


def write_config(folder: str | Path, values: Mapping[str, object]) -> None:
    """Writes config.json, whole or not at all."""
    write_object(Path(folder) / CONFIG, values)


def read_object(path: Path) -> Row:
    """The JSON object in a file.

    Raises:
      ValueError: it is none.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(values).__name__}")
    return values


def write_object(path: Path, values: Mapping[str, object]) -> None:
    """Writes a JSON object, whole or not at all."""
    write_text(path, json.dumps(values, indent=2, sort_keys=True) + "\n")
