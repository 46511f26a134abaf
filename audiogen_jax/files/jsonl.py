"""Rows as lines: files of one JSON object per line, in UTF-8."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from audiogen_jax.files.atomic import write_bytes

Row: TypeAlias = dict[str, Any]
"""A JSON object: names to whatever JSON holds."""


def numbered_lines(contents: bytes, name: str | Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers from 1.

    A line ends in "\\n" alone: JSON may hold the other characters that end lines in Unicode.

    Args:
      contents: of the file.
      name: of the file, for the error.

    Raises:
      ValueError: the file is not UTF-8.
    """
    try:
        text = contents.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not text in UTF-8: {error}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line


def parse_object(text: str) -> Row:
    """The JSON object in a text.

    Raises:
      ValueError: it is none.
    """
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(row, dict):
        raise ValueError(f"expected a JSON object, got {text[:60]!r}")
    return row


def parse_rows(contents: bytes, name: str | Path) -> list[Row]:
    """The rows of a file.

    Args:
      contents: of the file.
      name: of the file, for the error.

    Raises:
      ValueError: a line is not a JSON object; it is named.
    """
    rows = []
    for number, line in numbered_lines(contents, name):
        try:
            rows.append(parse_object(line))
        except ValueError as error:
            raise ValueError(f"{name}, line {number}: {error}") from error
    return rows


def read_rows(path: str | Path) -> list[Row]:
    """The rows of the file at a path; see `parse_rows`.

    Raises:
      FileNotFoundError: no such file.
      ValueError: a line is not a JSON object; it is named.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}")
    return parse_rows(path.read_bytes(), path)


def to_lines(rows: Iterable[Mapping[str, object]]) -> bytes:
    """The contents of a file of these rows."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write_rows(path: str | Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Writes a file of these rows, whole or not at all.

    Raises:
      OSError: it cannot be written.
    """
    write_bytes(path, to_lines(rows))


def append_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Adds all of the rows or none, as far as the file system lets us undo; they are on the disk.

    A process that is killed meanwhile leaves a part of them, which `recover_rows` removes.

    Raises:
      OSError: they cannot be written.
    """
    contents = to_lines(rows)
    if not contents:
        return
    with path.open("ab") as file:
        before = file.tell()
        try:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, before)
            raise


def recover_rows(path: Path) -> list[Row]:
    """The rows of a file that was appended to; a last line without its end is cut off the file.

    Returns:
      No rows if there is no file.

    Raises:
      ValueError: another line is not a JSON object; it is named.
    """
    if not path.exists():
        return []
    contents = path.read_bytes()
    whole = contents.rfind(b"\n") + 1
    if whole < len(contents):
        os.truncate(path, whole)
    return parse_rows(contents[:whole], path)
