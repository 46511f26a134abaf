"""What is written appears whole or not at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audiogen_jax.files import atomic
from audiogen_jax.files.atomic import (
    check_writable,
    recover_folder,
    replace_folder,
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


def killed_while_writing(tmp_path: Path) -> None:
    """Leaves what a process leaves that is killed in `written_atomically` and in a staging."""
    program = f"""
import os
from audiogen_jax.files.atomic import staging_folder, written_atomically
with written_atomically({str(tmp_path / "a.wav")!r}) as temporary:
    temporary.write_bytes(b"half" * 9999)
    with staging_folder({str(tmp_path)!r}) as staging:
        (staging / "half").write_text("half")
        os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 9


def test_what_a_killed_process_leaves_is_gone_after_the_next(tmp_path: Path):
    killed_while_writing(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    write_text(tmp_path / "a.wav", "whole")
    with staging_folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert (tmp_path / "a.wav").read_text() == "whole"


def test_two_that_write_to_one_path_do_not_mix(tmp_path: Path):
    path = tmp_path / "a.txt"
    with written_atomically(path) as first, written_atomically(path) as second:
        assert first != second
        first.write_text("first, longer")
        second.write_text("second")
    assert path.read_text() == "first, longer"
    assert list(tmp_path.iterdir()) == [path]


def test_stagings_in_use_are_left(tmp_path: Path):
    with staging_folder(tmp_path) as first, staging_folder(tmp_path) as second:
        assert first != second and first.is_dir() and second.is_dir()
    assert not list(tmp_path.iterdir())


def test_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(atomic, "try_lock", lambda descriptor: None)
    with written_atomically(tmp_path / "a.txt") as temporary, staging_folder(tmp_path) as staging:
        temporary.write_text("whole")
        assert staging.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("calls", range(6))
def test_a_folder_is_the_old_or_the_new_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
):
    """Killed after so many renames and removals, and going on from there."""
    target, new = tmp_path / "export", tmp_path / "staging"
    for folder, text in ((target, "old"), (new, "new")):
        folder.mkdir()
        for name in ("generator", "text_encoder"):
            (folder / name).write_text(text)
    left = calls

    def or_die(action):
        def call(*args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return action(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "replace", or_die(os.replace))
        patch.setattr(atomic.shutil, "rmtree", or_die(shutil.rmtree))
        try:
            replace_folder(new, target)
        except Killed:
            assert left < 0
    recover_folder(target)
    texts = {path.read_text() for path in target.iterdir()}
    assert len(list(target.iterdir())) == 2 and texts in ({"old"}, {"new"})
    assert not list(tmp_path.glob(".*"))
    if left >= 0:
        assert texts == {"new"}
