"""Hashes of contents: `sha256.json` beside what was written, checked when it is read.

    {"config.json": "9f86d081…", "model.safetensors": "…", "params/manifest.ocdbt": "…"}

A writer calls `record_contents` when its files are in place; it hashes them and adds their names to
those of the folder. A reader calls `check_contents` before it parses small files, or `read_checked`
in the place of reading one. Large ones are hashed while they are read: the `start` of a
`ContentCheck` comes before the first read, and its `wait` before anything that was read is given
away. A name that is a folder stands for all files under it: `record_contents(step_folder, ["state",
"data"])` covers a checkpoint of a training, and `check_contents(step_folder, ["state", "data"])`
raises ValueError if that is not as it was written.

A folder without the file, older or of others, is read as before. Links into the cache of the
Hugging Face hub are checked against the hub's own hashes, by which that cache names its files.
"""

import hashlib
import os
import re
import threading
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Self

from audiogen_jax.files.json_object import read_object, write_object
from audiogen_jax.files.remote import parse_path

HASHES = "sha256.json"
_CHUNK = 1 << 20
_SMALL = 1 << 28
_THREADS = 8
_HEX = re.compile(r"[0-9a-f]{64}")
_HUB_BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def record_contents(folder: str | Path, names: Iterable[str]) -> None:
    """Hashes files and writes their hashes to the folder's `sha256.json`, beside those it has.

    Args:
      folder: that they are in.
      names: relative to it, of files or folders.

    Raises:
      OSError: a file cannot be read, or `sha256.json` cannot be written.
    """
    folder, names = parse_path(folder), {*names}
    try:
        before = _recorded(folder)
    except ValueError:  # damaged: what stands in it is worth nothing
        before = {}
    hashes = {name: value for name, value in before.items() if not _covers(names, name)}
    for name in _files(folder, names):
        with (folder / name).open("rb") as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    write_object(folder / HASHES, hashes)


def check_contents(folder: str | Path, names: Iterable[str]) -> None:
    """Checks files against their hashes; see `ContentCheck`.

    Raises:
      ValueError: one has changed since it was written; it is named.
    """
    ContentCheck(folder, names).start().wait()


def read_checked(path: Path) -> bytes:
    """The contents of a small file, read once and checked against the hash beside it.

    Raises:
      ValueError: it has changed since it was written, or is not small.
    """
    if (size := path.stat().st_size) > _SMALL:
        raise ValueError(f"{path} has {size} bytes: expected at most {_SMALL}")
    contents = path.read_bytes()
    expected = _recorded(path.parent).get(path.name) or _hub_blob(path)
    if expected is not None:
        _compare(path, _digest(expected, len(contents), [contents]), expected)
    return contents


class ContentCheck:
    """Files that are hashed by threads of their own while somebody reads them."""

    def __init__(self, folder: str | Path, names: Iterable[str]):
        """Nothing is read before `start`.

        Args:
          folder: that they are in.
          names: relative to it, of files or folders; what has no hash is not checked.
        """
        self._folder, self._names = parse_path(folder), {*names}
        self._checks: list[Future[None]] | None = None
        self._start = threading.Lock()

    def start(self) -> Self:
        """Begins to hash, on the first call.

        Raises:
          ValueError: `sha256.json` cannot be read, or a file that it lists is missing.
        """
        with self._start:
            if self._checks is None:
                expected = self._expected()
                pool = ThreadPoolExecutor(min(len(expected), os.cpu_count() or 1, _THREADS) or 1)
                self._checks = [
                    pool.submit(_check, self._folder / name, value)
                    for name, value in expected.items()
                ]
                pool.shutdown(wait=False)
        return self

    def wait(self) -> None:
        """Waits until all files are known to be those that were written.

        Raises:
          ValueError: one is not; it is named.
        """
        for check in self.start()._checks or ():
            check.result()

    def _expected(self) -> dict[str, str]:
        recorded = _recorded(self._folder)
        expected = {name: recorded[name] for name in recorded if _covers(self._names, name)}
        present = [*_files(self._folder, self._names)]
        if missing := sorted(expected.keys() - set(present)):
            raise ValueError(
                f"{self._folder / missing[0]} is missing, which {HASHES} beside it lists: restore "
                "the file"
            )
        for name in present:
            if name not in expected and (blob := _hub_blob(self._folder / name)):
                expected[name] = blob
        return expected


def _recorded(folder: Path) -> dict[str, str]:
    """The hashes of a folder, none if it has no file of them."""
    path = folder / HASHES
    if not path.is_file():
        return {}
    hashes = read_object(path)
    if not all(isinstance(value, str) and _HEX.fullmatch(value) for value in hashes.values()):
        raise ValueError(f"{path} is damaged: expected names of files and their sha256")
    return hashes


def _covers(names: Collection[str], file: str) -> bool:
    return file in names or any(str(folder) in names for folder in PurePosixPath(file).parents)


def _files(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """The regular files of these names, and those in the folders of these names.

    Raises:
      ValueError: another kind of file is there: reading a pipe or a device may never end.
    """
    for name in names:
        root = folder / name
        for path in [root, *sorted(root.rglob("*"))]:
            if path.is_file():
                yield path.relative_to(folder).as_posix()
            elif path.exists() and (not path.is_dir() or (path.is_symlink() and path != root)):
                raise ValueError(f"{path} is no regular file: expected the one that was written")


def _hub_blob(path: Path) -> str | None:
    """The hash by which the hub's cache names a file: its sha256, or git's sha1 of small files."""
    if not path.is_symlink():
        return None
    blob = path.resolve()
    return blob.name if blob.parent.name == "blobs" and _HUB_BLOB.fullmatch(blob.name) else None


def _check(path: Path, expected: str) -> None:
    with path.open("rb", buffering=0) as file:
        chunks = iter(lambda: file.read(_CHUNK), b"")
        _compare(path, _digest(expected, path.stat().st_size, chunks), expected)


def _digest(expected: str, size: int, chunks: Iterable[bytes]) -> str:
    """The hash of a file, of the kind that is expected."""
    digest = hashlib.sha256()
    if len(expected) == 40:
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _compare(path: Path, digest: str, expected: str) -> None:
    if digest != expected:
        raise ValueError(
            f"{path} is not what was written there: its content does not have the hash that is "
            f"{'its name in the cache' if path.is_symlink() else f'in {HASHES}'}. Restore the file"
            f"{'' if path.is_symlink() else f'; if you changed it yourself, delete {HASHES}'}"
        )
