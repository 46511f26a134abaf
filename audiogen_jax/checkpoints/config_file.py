"""The configuration of a checkpoint folder: config.json, or what a release has in its place."""

from collections.abc import Callable, Mapping
from pathlib import Path

from audiogen_jax.checkpoints.omni_release import RELEASED_CONFIG, released_values
from audiogen_jax.files.content_hashes import read_checked
from audiogen_jax.files.json_object import object_of, write_object
from audiogen_jax.files.jsonl import Row

CONFIG = "config.json"
RELEASED: Mapping[str, Callable[[Row], Row]] = {RELEASED_CONFIG: released_values}
"""Name of a release's own file -> its contents to those of config.json."""


def has_config(folder: str | Path) -> bool:
    """Does a folder say which model it holds?"""
    return any((Path(folder) / name).is_file() for name in (CONFIG, *RELEASED))


def read_config(folder: str | Path) -> Row:
    """The contents of a folder's config.json, or of the file that a release has in its place.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is not a JSON object, not the one that was written, or not as released.
    """
    path = Path(folder) / CONFIG
    if path.is_file():
        return object_of(read_checked(path), path)
    for name, values_of in RELEASED.items():
        released = Path(folder) / name
        if released.is_file():
            try:
                return values_of(object_of(read_checked(released), released))
            except ValueError as error:
                raise ValueError(f"{Path(folder)}: {error}") from error
    raise FileNotFoundError(f"no configuration at {path}")


def write_config(folder: str | Path, values: Mapping[str, object]) -> None:
    """Writes config.json, whole or not at all."""
    write_object(Path(folder) / CONFIG, values)
