"""Files of rows: whole lines or none, every bad line named."""

import json
import os
import re
from pathlib import Path

import pytest

from audiogen_jax.files.jsonl import (
    append_rows,
    parse_rows,
    read_appended_rows,
    read_rows,
    recover_rows,
    to_lines,
    write_rows,
)

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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_encodings_are_read(encoding: str):
    contents = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    assert parse_rows(contents.encode(encoding), "x") == ROWS


def test_half_a_character_is_written_escaped():
    contents = to_lines([{"id": "\ud83d"}, {"id": "é"}])
    assert contents == b'{"id": "\\ud83d"}\n' + '{"id": "é"}\n'.encode()
    assert parse_rows(contents, "x") == [{"id": "\ud83d"}, {"id": "é"}]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b'{"a": 1}\n\n{"a"', "x, line 3: not JSON"),
        (b"[1]", "x, line 1: expected a JSON object, got '[1]'"),
        (b'{"a": 1}\n{"a": "caf\xe9"}\n', "x is not text in UTF-8: byte 0xe9 in line 2"),
        ('{"a": "\u72d7"}'.encode("gbk"), "x is not text in UTF-8: byte 0xb9 in line 1"),
        ('{"a": 1}'.encode("utf-16-le"), "x is not text in UTF-8: a zero byte in line 1"),
        (b"[" * 100_000, "x, line 1: JSON that is nested too deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "x, line 1: not JSON"),
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
    assert read_appended_rows(path) == ROWS and path.read_bytes() != whole
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
