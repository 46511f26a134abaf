"""The config.json of a checkpoint folder."""

from collections.abc import Mapping
from pathlib import Path

from audiogen_jax.files.content_hashes import read_checked
from audiogen_jax.files.json_object import object_of, write_object
from audiogen_jax.files.jsonl import Row

CONFIG = "config.json"


def read_config(folder: str | Path) -> Row:
    """The contents of a folder's config.json.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is not a JSON object, or not the one that was written.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"no configuration at {path}")
    return object_of(read_checked(path), path)


def write_config(folder: str | Path, values: Mapping[str, object]) -> None:
    """Writes config.json, whole or not at all."""
    write_object(Path(folder) / CONFIG, values)
