"""Files of rows: whole lines or none, every bad line named."""

import os
import re
from pathlib import Path

import pytest

from audiogen_jax.files.jsonl import append_rows, parse_rows, read_rows, recover_rows, write_rows

ROWS = [{"id": "a", "text": "café \u2028 next"}, {"id": "b", "text": 'two\nlines\x85 "'}]
"""With characters that end lines in Unicode, which JSON leaves as they are."""


def test_written_rows_are_read(tmp_path: Path):
    path = tmp_path / "new" / "rows.jsonl"
    write_rows(path, ROWS)
    assert read_rows(path) == ROWS
    assert path.read_bytes().count(b"\n") == 2
    assert "café" in path.read_text(encoding="utf-8")


def test_blank_lines_and_a_byte_order_mark_are_nothing():
    assert parse_rows(b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"a": 2}', "x") == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b'{"a": 1}\n\n{"a"', "x, line 3: not JSON"),
        (b"[1]", "x, line 1: expected a JSON object, got '[1]'"),
        (b"\xff\xfe", "x is not text in UTF-8"),
    ],
)
def test_bad_lines_are_named(contents: bytes, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_rows(contents, "x")


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no file at"):
        read_rows(tmp_path / "none.jsonl")
    assert recover_rows(tmp_path / "none.jsonl") == []


def test_rows_are_appended_whole(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    for row in ROWS:
        append_rows(path, [row])
    append_rows(path, [])
    assert read_rows(path) == ROWS


def test_a_line_cut_short_is_removed(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    write_rows(path, ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": "c", "te')
    assert recover_rows(path) == ROWS
    assert path.read_bytes() == whole


def test_a_failed_append_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "rows.jsonl"
    write_rows(path, ROWS)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        append_rows(path, ROWS)
    assert read_rows(path) == ROWS
