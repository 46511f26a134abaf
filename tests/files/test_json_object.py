"""Files of one JSON object, of whatever origin."""

import os

import pytest

from audiogen_jax.files import json_object
from audiogen_jax.files.json_object import read_object, write_object


def test_round_trip(tmp_path):
    write_object(tmp_path / "a.json", {"b": [1], "a": "\u2028"})
    assert read_object(tmp_path / "a.json") == {"b": [1], "a": "\u2028"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"a": ' + "[" * 10_000 + "]" * 10_000 + "}",
        '{"a": ' + '{"a": ' * 10_000 + "1" + "}" * 10_001,
        "[" * 1_000_000,
        '{"a": ' + "1" * 10_000 + "}",  # more digits than Python reads
        "\udcff",
    ],
    ids=["empty", "list", "cut", "lists", "objects", "million", "digits", "bytes"],
)
def test_what_is_no_object_is_named(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError) as caught:
        read_object(path)
    assert str(path) in str(caught.value) and len(str(caught.value)) < 300


def test_pipes_and_huge_files_are_not_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "zero.json", "absent.json"):
        with pytest.raises(FileNotFoundError, match=f"no file at .*{name}"):
            read_object(tmp_path / name)
    monkeypatch.setattr(json_object, "_MOST_BYTES", 10)
    (tmp_path / "a.json").write_text('{"a": 12345}')
    with pytest.raises(ValueError, match="a.json has 12 bytes: expected at most 10 of JSON"):
        read_object(tmp_path / "a.json")
