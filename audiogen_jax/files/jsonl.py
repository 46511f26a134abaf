"""Rows as lines: files of one JSON object per line, in UTF-8."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from audiogen_jax.files.atomic import write_bytes
from audiogen_jax.files.text import decode_text

Row: TypeAlias = dict[str, Any]
"""A JSON object: names to whatever JSON holds."""


def numbered_lines(contents: bytes, name: str | Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers from 1.

    A line ends in "\\n" alone: JSON may hold the other characters that end lines in Unicode.

    Args:
      contents: of the file.
      name: of the file, for the error.

    Raises:
      ValueError: the file is no text, see `decode_text`.
    """
    for number, line in enumerate(decode_text(contents, name).split("\n"), 1):
        if line.strip():
            yield number, line


def parse_object(text: str) -> Row:
    """The JSON object in a text.

    Raises:
      ValueError: it is none.
    """
    try:
        row = json.loads(text)
    except ValueError as error:  # of syntax, or a number of thousands of digits
        raise ValueError(f"not JSON ({error})") from error
    except RecursionError as error:
        raise ValueError("JSON that is nested too deep to be read") from error
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
    return b"".join(map(_line, rows))


def _line(row: Mapping[str, object]) -> bytes:
    try:
        return (json.dumps(row, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:  # half a character, as errors quote them: escaped
        return (json.dumps(row) + "\n").encode()


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


def read_appended_rows(path: Path) -> list[Row]:
    """The rows of a file that may be appended to right now; a last line without end is none.

    Returns:
      No rows if there is no file.

    Raises:
      ValueError: another line is not a JSON object; it is named.
    """
    return parse_rows(_whole_lines(path), path)


def recover_rows(path: Path) -> list[Row]:
    """`read_appended_rows` of a file that nobody appends to: a last line without end is cut off."""
    lines = _whole_lines(path)
    if path.exists() and len(lines) < path.stat().st_size:
        os.truncate(path, len(lines))
    return parse_rows(lines, path)


def _whole_lines(path: Path) -> bytes:
    contents = path.read_bytes() if path.exists() else b""
    return contents[: contents.rfind(b"\n") + 1]
