"""A lock that one process holds while it works in a folder."""

import contextlib
import errno
import warnings
from collections.abc import Iterator
from pathlib import Path

import filelock

try:
    import fcntl
except ImportError:  # Windows, where filelock locks by other means
    fcntl = None

_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF)
"""Errors of file systems without locks; EBADF is NFS's, of folders."""


def try_lock(descriptor: int) -> bool | None:
    """Takes the lock on an open file or folder, which is held until the descriptor is closed.

    Returns:
      False if another process holds it, None if there are no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return None if error.errno in _UNSUPPORTED else False
    return True


@contextlib.contextmanager
def locked(path: Path, busy: str) -> Iterator[None]:
    """Holds a lock, whose file is gone afterwards.

    A process that is killed gives its lock back, and leaves the file to the next one. On a file
    system without locks the work goes on, after a warning.

    Args:
      path: of the file; its folder is made if it does not exist.
      busy: the error if another process holds the lock.

    Raises:
      OSError: another process holds the lock, or the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path) if _can_lock(path) else None
    if lock is None:
        warnings.warn(
            f"the file system of {path.parent} has no locks: make sure that no other process does "
            "the same work there",
            stacklevel=3,
        )
    else:
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise OSError(busy) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file; filelock does it later
            path.unlink(missing_ok=True)  # while it is locked: later ones make a new file
        if lock is not None:
            lock.release()


def _can_lock(path: Path) -> bool:
    """Whether its file system knows locks; filelock takes some that do not for a lock in use."""
    if fcntl is None:
        return True
    with path.open("ab") as file:
        return try_lock(file.fileno()) is not None
