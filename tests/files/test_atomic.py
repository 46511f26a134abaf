"""What is written appears whole or not at all."""

from pathlib import Path

import pytest

from audiogen_jax.files.atomic import (
    check_writable,
    staging_folder,
    write_text,
    written_atomically,
)


def test_a_failure_while_writing_leaves_what_was_there(tmp_path: Path):
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_atomically(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_written_text_replaces_what_was_there(tmp_path: Path):
    path = tmp_path / "new" / "text.txt"
    for text in ("first", "café"):
        write_text(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path]


def test_check_writable_makes_nothing(tmp_path: Path):
    check_writable(tmp_path / "new" / "folder" / "a.wav")
    assert not list(tmp_path.iterdir())


def test_what_is_renamed_out_of_staging_stays_alone(tmp_path: Path):
    parent = tmp_path / "new"
    with staging_folder(parent) as staging:
        (staging / "a").mkdir()
        (staging / "a" / "file").write_text("whole")
        (staging / "half").write_text("half")
        assert staging.parent == parent
        (staging / "a").rename(parent / "a")
    assert list(parent.iterdir()) == [parent / "a"]
    assert (parent / "a" / "file").read_text() == "whole"


def test_a_failure_leaves_nothing_of_the_staging(tmp_path: Path):
    with pytest.raises(RuntimeError), staging_folder(tmp_path) as staging:
        (staging / "half").write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
