"""Files of one JSON object, such as config.json."""

import json
from collections.abc import Mapping
from pathlib import Path

from audiogen_jax.files.atomic import write_text
from audiogen_jax.files.jsonl import Row, parse_object
from audiogen_jax.files.text import decode_text

_MOST_BYTES = 1 << 28


def read_object(path: Path) -> Row:
    """The JSON object in a file.

    Raises:
      FileNotFoundError: no regular file: a pipe would never end.
      ValueError: it holds no JSON object, or none that can be read in bounded memory.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"{path} has {size} bytes: expected at most {_MOST_BYTES} of JSON")
    return object_of(path.read_bytes(), path)


def object_of(contents: bytes, path: Path) -> Row:
    """The JSON object that a file holds.

    Args:
      contents: of the file.
      path: of the file, for the error.

    Raises:
      ValueError: it holds none.
    """
    text = decode_text(contents, path)
    try:
        return parse_object(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def write_object(path: Path, values: Mapping[str, object]) -> None:
    """Writes a JSON object, whole or not at all."""
    write_text(path, json.dumps(values, indent=2, sort_keys=True) + "\n")
