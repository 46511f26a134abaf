"""One process at a time, also where a file system knows no locks."""

import errno
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from audiogen_jax.files import lock
from audiogen_jax.files.lock import locked

HOLDER = """
import sys
from pathlib import Path
from audiogen_jax.files.lock import locked
with locked(Path(sys.argv[1]), "busy"):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_is_refused_and_nothing_stays(tmp_path: Path):
    path = tmp_path / "new" / ".lock"
    with locked(path, "busy"):
        with pytest.raises(OSError, match="^busy$"), locked(path, "busy"):
            pass
        assert path.exists()
    assert not path.exists()
    with pytest.raises(KeyError), locked(path, "busy"):
        raise KeyError
    with locked(path, "busy"):
        pass
    assert not list(path.parent.iterdir())


def test_a_killed_process_gives_its_lock_back(tmp_path: Path):
    path = tmp_path / ".lock"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], text=True, **pipes)
    try:
        assert holder.stdout and holder.stdout.readline() == "locked\n"
        with pytest.raises(OSError, match="busy"), locked(path, "busy"):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with locked(path, "busy"):
        pass
    assert not path.exists()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_warned_of(tmp_path: Path, monkeypatch, number: int):
    def flock(*_) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    with pytest.warns(UserWarning, match="has no locks") as told, locked(tmp_path / ".l", "busy"):
        pass
    assert len(told) == 1 and "\n" not in str(told[0].message)
    assert not list(tmp_path.iterdir())


def test_another_process_that_only_asks_is_no_holder(tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            with locked(tmp_path / ".lock", "busy"):
                pass
