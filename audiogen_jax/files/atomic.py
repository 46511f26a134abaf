"""Output files that are either whole or absent, also when a process is killed."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


def check_writable(path: str | Path) -> None:
    """Checks that `path` can be written, before work is spent on what goes in it.

    Raises:
      OSError: `path` is a folder, or no file can be made where it should stand.
    """
    path = Path(path)
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

    Missing folders are made. On an exception the temporary file is removed.

    Raises:
      OSError: the file cannot be written.
    """
    path = Path(path)
    check_writable(path)
    temporary = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, contents: bytes) -> None:
    """Writes a file whole or not at all.

    Raises:
      OSError: it cannot be written.
    """
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

    The caller renames what is finished out of it; the rest is removed at the end.

    Args:
      parent: made if it does not exist.

    Raises:
      OSError: no folder can be made there.
    """
    Path(parent).mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=parent, prefix=".staging-"))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


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
