"""Output files that are either whole or absent, also when a process is killed."""

import contextlib
import os
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from audiogen_jax.files.lock import try_lock
from audiogen_jax.files.remote import is_remote, parse_path, require_local

_STAGING = ".part-"


def check_writable(path: str | Path) -> None:
    """Checks that `path` can be written, before work is spent on what goes in it.

    Raises:
      OSError: `path` is a folder, or no file can be made where it should stand.
      ValueError: it is in an object store.
    """
    path = require_local(path, "what is written")
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder, give a file name")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise NotADirectoryError(f"cannot write {path}: {folder} is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write {path}: no permission to write in {folder}")


@contextlib.contextmanager
def written_atomically(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path in the folder of `path`; it is renamed to `path` on success only.

    Missing folders are made. On an exception the temporary file is removed; what a killed process
    leaves is gone when the next one has written to `path`.

    Raises:
      OSError: the file cannot be written.
    """
    check_writable(path)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, lock = _temporary(path)
        with lock:
            try:
                mode = stat.S_IMODE(temporary.stat().st_mode)
                yield temporary
                temporary.chmod(mode)  # some libraries make files that their owner alone may read
                sync(temporary)  # the last of the contents may find the disk full only now
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error


def _temporary(path: Path) -> tuple[Path, contextlib.AbstractContextManager]:
    """An empty file, of the same name at every start unless a living process writes to that.

    Returns:
      Its path, and what to hold open meanwhile.
    """
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    with contextlib.ExitStack() as stack, contextlib.suppress(PermissionError):  # another user's
        file = stack.enter_context(temporary.open("ab"))
        alone = try_lock(file.fileno())
        # The one before may have renamed the file between our two calls.
        if alone and _is_same(file.fileno(), temporary):
            file.truncate(0)
            return temporary, stack.pop_all()
        if alone is None:
            file.close()
            temporary.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    temporary.touch()
    return temporary, contextlib.nullcontext()


def _is_same(descriptor: int, path: Path) -> bool:
    """Whether an open file or folder is the one at a path."""
    return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())


def write_bytes(path: str | Path, contents: bytes) -> None:
    """Writes a file whole or not at all; objects of a store appear so by themselves.

    Raises:
      OSError: it cannot be written.
    """
    if is_remote(path):
        parse_path(path).write_bytes(contents)
        return
    with written_atomically(path) as temporary:
        temporary.write_bytes(contents)


def write_text(path: str | Path, text: str) -> None:
    """Writes a file in UTF-8, whole or not at all.

    Raises:
      OSError: it cannot be written.
    """
    write_bytes(path, text.encode())


@contextlib.contextmanager
def staging_folder(parent: str | Path) -> Iterator[Path]:
    """Gives a temporary folder in `parent`, for files or folders that appear there together.

    The caller renames what is finished out of it; the rest is removed at the end, and so is what
    killed processes have left in `parent`.

    Args:
      parent: made if it does not exist.

    Raises:
      OSError: no folder can be made there.
    """
    require_local(parent, "what is written").mkdir(parents=True, exist_ok=True)
    for left in Path(parent).glob(f"{_STAGING}*"):
        with _held(left) as alone:
            if alone:
                shutil.rmtree(left, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(dir=parent, prefix=_STAGING))
    with _held(staging):
        try:
            yield staging
        finally:
            _remove(staging)


def _remove(folder: Path) -> None:
    """Removes a folder that orbax may still write to for a moment after a write failed."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def replace_folder(new: Path, target: Path) -> None:
    """Renames a finished folder to the place of another one, which is removed.

    There is no moment without one of the two, but where a process is killed between two renames:
    then `recover_folder` brings the old one back.

    Args:
      new: on the file system of `target`.
      target: a folder, or nothing.

    Raises:
      OSError: one cannot be renamed.
    """
    recover_folder(target)
    if target.exists():
        os.replace(target, _replaced(target))
    os.replace(new, target)
    recover_folder(target)


def recover_folder(target: Path) -> None:
    """Finishes or takes back a `replace_folder` that was interrupted."""
    old = _replaced(target)
    if old.is_dir() and not target.exists():
        os.replace(old, target)
    shutil.rmtree(old, ignore_errors=True)


def _replaced(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[bool | None]:
    """Locks a folder if that can be done, see `try_lock`."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # gone, another user's, or a folder on Windows
        yield None
        return
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, contents: bytes) -> None:
    """Writes a file in place, for a caller that renames it; it is on the disk on return."""
    with path.open("wb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Makes the contents of a file, or the names in a folder, survive a crash of the machine."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders, and journals their names by itself
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
