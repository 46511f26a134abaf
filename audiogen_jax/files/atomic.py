"""Output files that are either whole or absent."""

import contextlib
import os
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
