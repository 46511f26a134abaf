"""A training's folder in an object store: a local one that is mirrored there as it goes.

Metrics, exports and checkpoints are written with renames, locks and appends, which stores do not
have. So they are written here, and a thread uploads what has changed. The last file of a checkpoint
or an export to go up is the one that makes it whole; before an export is replaced, it goes first.
The checkpoints of gs:// are not mirrored: Orbax writes them there, of any number of processes.
"""

import contextlib
import hashlib
import logging
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple, cast

import jax
from etils import epath

from audiogen_jax.files.lock import locked
from audiogen_jax.files.remote import cache_folder, in_store, is_remote, parse_path, store_errors

CHECKPOINTS, COMPLETE = "checkpoints", "_CHECKPOINT_METADATA"
"""The folder of checkpoints, and the file without which one is not whole."""
BY_ORBAX = "gs://"
"""The store that Orbax writes checkpoints to."""
LAST = (COMPLETE, "config.json")
"""Names of the files that make a folder whole."""
FOLDERS = (CHECKPOINTS, "export", "tensorboard")
"""Folders of a workdir; others that are there belong to somebody else."""
PULLED = 2
"""Checkpoints that are downloaded to go on from, the newest ones."""
EVERY_SECONDS = 30.0


class Workdir(NamedTuple):
    """Where a training writes.

    Attributes:
      folder: local; the workdir itself, or what is mirrored to it.
      checkpoints: of the checkpoints, local or where Orbax writes by itself.
    """

    folder: Path
    checkpoints: Path


@contextlib.contextmanager
def open_workdir(workdir: str | Path) -> Iterator[Workdir]:
    """Gives the folders of a workdir.

    In an object store the first process mirrors all but the checkpoints of gs://, which all
    processes write there by Orbax. Local folders that were not there before are removed if nothing
    has been written to them, as when the training is refused.

    Raises:
      ValueError: one in another store, and several processes: they write checkpoints together.
      OSError: another training has it open here, or what was written last could not be uploaded.
    """
    remote = parse_path(workdir)
    if not is_remote(remote):
        local = remote.absolute()
        missing = [folder for folder in (local, *local.parents) if not folder.exists()]
        try:
            yield Workdir(local, local / CHECKPOINTS)
        finally:
            if jax.process_index() == 0:  # which made them
                with contextlib.suppress(OSError):  # not there, or not empty
                    for folder in missing:
                        folder.rmdir()
        return
    by_orbax = str(remote).startswith(BY_ORBAX)
    if jax.process_count() > 1 and not by_orbax:
        raise ValueError(
            f"{remote}: {jax.process_count()} processes write each checkpoint together, on gs:// "
            "or one file system: mount the store on every host (Mountpoint for S3)"
        )
    with contextlib.ExitStack() as stack:
        if jax.process_index() == 0:
            local = stack.enter_context(_mirrored(remote, with_checkpoints=not by_orbax))
        else:
            local = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if by_orbax:  # whose paths are these
            yield Workdir(local, cast(Path, epath.Path(f"{remote}/{CHECKPOINTS}")))
        else:
            yield Workdir(local, local / CHECKPOINTS)


@contextlib.contextmanager
def _mirrored(remote: Path, with_checkpoints: bool) -> Iterator[Path]:
    name = hashlib.sha256(str(remote).encode()).hexdigest()[:20]
    local = cache_folder() / "workdirs" / name
    with locked(local.with_suffix(".lock"), f"{remote}: another training is running there"):
        shutil.rmtree(local, ignore_errors=True)
        local.mkdir(parents=True)
        mirror = Mirror(local, remote)
        with store_errors(remote):
            mirror.pull(with_checkpoints)
        logging.info("%s is mirrored in %s", remote, local)
        try:
            with mirror:
                yield local
        finally:
            if mirror.is_complete:
                shutil.rmtree(local, ignore_errors=True)


class Mirror:
    """Uploads a folder again and again while it is written; a context manager.

    Attributes:
      is_complete: all has been uploaded, at the end.
    """

    def __init__(self, local: Path, remote: Path):
        """Args: the folder; where it goes, of `parse_path`."""
        self._local = local
        self._store, self._root = in_store(remote)
        self._url = str(remote)
        self.is_complete = False
        self._there: dict[str, tuple[int, int]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upload", daemon=True)

    def pull(self, with_checkpoints: bool = True) -> None:
        """Downloads what a training goes on from: its logs and its newest whole checkpoints."""
        self._store.invalidate_cache()
        start = len(self._root.lstrip("/")) + 1
        names = [name.lstrip("/")[start:] for name in self._store.find(self._root)]
        folders = FOLDERS if with_checkpoints else FOLDERS[1:]
        names = [name for name in names if "/" not in name or name.split("/")[0] in folders]
        steps = {_unit(name) for name in names if name.startswith(f"{CHECKPOINTS}/")}
        whole = [unit for unit in steps if f"{unit}/{COMPLETE}" in names]
        newest = sorted((u for u in whole if _step(u).isdigit()), key=lambda u: int(_step(u)))
        left_there = {*whole} - {*newest[-PULLED:]}
        for name in names:
            unit = _unit(name)
            if unit in left_there:
                continue
            # What is left of a checkpoint that is not whole is removed by `push`: it is not here.
            self._there[name] = (-1, -1)
            if unit in steps and unit not in whole:
                continue
            target = self._local / name
            target.parent.mkdir(parents=True, exist_ok=True)
            self._store.get_file(f"{self._root}/{name}", str(target))
            self._there[name] = _version(target)

    def push(self) -> None:
        """Uploads what has changed, and removes what is gone, of what was up- or downloaded.

        Raises:
          OSError: the store does not take it.
        """
        files: dict[str, tuple[int, int]] | None = None
        while files != (files := self._files()):  # until nothing has changed meanwhile
            changed = {_unit(n) for n, version in files.items() if self._there.get(n) != version}
            changed |= {_unit(name) for name in self._there if name not in files}
            for unit in sorted(changed):
                self._push_unit({n: v for n, v in files.items() if _unit(n) == unit}, unit)

    def _push_unit(self, files: dict[str, tuple[int, int]], unit: str) -> None:
        """What is whole together: a checkpoint, an export, or a file by itself."""
        for name in sorted(self._there, key=_order, reverse=True):
            if _unit(name) == unit and (name not in files or (_is_last(name) and name != unit)):
                self._store.rm_file(f"{self._root}/{name}")
                del self._there[name]
        for name in sorted(files, key=_order):
            if self._there.get(name) == files[name]:
                continue
            try:
                self._store.put_file(str(self._local / name), f"{self._root}/{name}")
            except FileNotFoundError:
                if (self._local / name).exists():
                    raise
                return  # replaced or removed meanwhile: `push` comes again
            self._there[name] = files[name]

    def __enter__(self) -> "Mirror":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self.push()
            self.is_complete = True
        except Exception as error:  # stores raise many kinds
            raise OSError(
                f"{self._url}: the last files could not be uploaded ({error}); they are in "
                f"{self._local}: copy them before the training is started again"
            ) from error

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            try:
                self.push()
            except Exception as error:
                logging.warning("%s: not uploaded, tried again: %s", self._url, error)

    def _files(self) -> dict[str, tuple[int, int]]:
        """What is to be there: name -> version; nothing that is being written."""
        files = {}
        for path in self._local.rglob("*"):
            relative = path.relative_to(self._local)
            hidden = any(part.startswith(".") or "-tmp" in part for part in relative.parts)
            with contextlib.suppress(FileNotFoundError):
                if not hidden and path.is_file():
                    files[relative.as_posix()] = _version(path)
        return files


def _version(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _unit(name: str) -> str:
    """What a file is whole together with: its checkpoint, or its first folder."""
    parts = name.split("/")
    return "/".join(parts[: 1 + (parts[0] == CHECKPOINTS)])


def _step(unit: str) -> str:
    return unit.rpartition("/")[2]


def _order(name: str) -> tuple[bool, int, str]:
    """Of uploads in a unit: what makes it whole comes last, of several the one above the others."""
    return _is_last(name), -name.count("/"), name


def _is_last(name: str) -> bool:
    return PurePosixPath(name).name in LAST
