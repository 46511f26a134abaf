"""What jobs that may be killed and started again keep in their output folder."""

import abc
import contextlib
import dataclasses
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Self

from audiogen_jax.files.atomic import check_writable, sync, write_synced
from audiogen_jax.files.jsonl import Row, parse_object
from audiogen_jax.files.lock import locked
from audiogen_jax.files.text import decode_text
from audiogen_jax.scalars import as_integer
from audiogen_jax.types import dtype_name

JOB = "job.json"
_NOT_COMPARED = "checkpoint"
"""What `job.json` says for people: a hash beside it decides, not how a path is written."""


@dataclasses.dataclass(frozen=True)
class Share:
    """One of the equal shares of a job that run by themselves.

    Attributes:
      index: from 0.
      count: of all.

    Raises:
      ValueError: index is not in [0, count).
    """

    index: int = 0
    count: int = 1

    def __post_init__(self):
        index, count = as_integer(self.index), as_integer(self.count)
        if index is None or count is None or not 0 <= index < count:
            raise ValueError(f"share '{self.index}/{self.count}': expected I from 0 to N - 1")
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "count", count)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads "i/n", i from 0.

        Raises:
          ValueError: another format, or i is not below n.
        """
        try:
            index, count = (int(number) for number in text.split("/"))
        except ValueError:
            raise ValueError(f"share {text!r}: expected I/N, such as 0/4") from None
        return cls(index, count)

    @property
    def suffix(self) -> str:
        """Tells this share's files from those of others; empty if it is the whole job."""
        return "" if self.count == 1 else f"-{self.index:05}-of-{self.count:05}"


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
      done: clips of this share that are written, those of earlier starts included.
      total: clips of this share.
      errors: rows and clips that failed.
      made: clips written since this start.
      audio_seconds: of the clips made since this start.
      seconds: since the first batch was begun.
    """

    done: int
    total: int
    errors: int
    made: int = 0
    audio_seconds: float = 0.0
    seconds: float = 0.0


class JobFolder(abc.ABC):
    """The folder of a job, in which one share of it works; use as a context manager.

    Meanwhile the share holds a lock and has a staging folder, neither of which stays.
    """

    def __init__(
        self, folder: Path, job: Mapping[str, object], share: Share, names: Collection[str]
    ):
        """Nothing is written before `__enter__`.

        Args:
          folder: of the output, common to all shares.
          job: all that decides the output; must be the same at every start.
          share: which of the job's this is.
          names: of files that are somebody else's if they stand in a folder without `job.json`.
        """
        self._folder, self._job, self._share, self._names = folder, dict(job), share, names
        self._staging = folder / f".staging{share.suffix}"
        self._leaving = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Takes the lock and puts the folder in order.

        Raises:
          ValueError: the folder is not of this job, or its files are damaged.
          OSError: it cannot be written, or the same share is running.
        """
        lock = self._folder / f".lock{self._share.suffix}"
        check_writable(lock)
        with contextlib.ExitStack() as stack:
            busy = f"{self._folder}: another process is running this share"
            stack.enter_context(locked(lock, busy))
            self._staging.mkdir(exist_ok=True)
            stack.callback(self._leave)
            self._claim()
            self._recover()
            self._leaving = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._leaving.close()

    @abc.abstractmethod
    def _recover(self) -> None:
        """Finishes or undoes what a start that was killed has begun."""

    def _leave(self) -> None:
        with contextlib.suppress(OSError):  # not empty: the next start looks what is left of it
            self._staging.rmdir()

    def _replace(self, name: str, contents: bytes) -> None:
        """Writes a file of the folder, whole or not at all."""
        write_synced(self._staging / name, contents)
        os.replace(self._staging / name, self._folder / name)
        sync(self._folder)

    def _claim(self) -> None:
        """Writes `job.json`, or compares the job with what stands there."""
        path = self._folder / JOB
        text = json.dumps(self._job, indent=1, sort_keys=True) + "\n"
        if not path.exists():
            if taken := [name for name in self._names if (self._folder / name).exists()]:
                raise ValueError(
                    f"{self._folder} holds {taken[0]} but no {JOB}: it is not of this job, which "
                    "would write over it. Give another folder"
                )
            staged = self._staging / JOB
            try:
                write_synced(staged, text.encode())
                _link(staged, path)
            finally:
                staged.unlink(missing_ok=True)
            sync(self._folder)
        if changed := _differences(_read_job(path), json.loads(text)):
            raise ValueError(
                f"{self._folder} belongs to another job: {'; '.join(changed)}. Give another "
                "folder, or the same arguments to go on"
            )


def set_aside(path: Path) -> str:
    """Takes a file that is not as it was written out of the way; nothing of it is lost.

    Returns:
      What was done, for a message.
    """
    if not path.exists():
        return f"{path.name} is gone"
    if path.is_file() and not path.stat().st_size:
        path.unlink()
        return f"{path.name} was empty"
    aside, number = path.with_name(f"{path.name}.changed"), 2
    while aside.exists():
        aside, number = path.with_name(f"{path.name}.changed-{number}"), number + 1
    path.rename(aside)
    return f"{path.name} was changed, and is {aside.name} now"


def _link(staged: Path, path: Path) -> None:
    """Gives a file its name unless another share was first."""
    try:
        os.link(staged, path)
    except FileExistsError:
        pass
    except OSError:  # there are file systems without links
        os.replace(staged, path)


def _read_job(path: Path) -> Row:
    try:
        return parse_object(decode_text(path.read_bytes(), path.name))
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}): restore it, or give another folder"
        ) from error


def _differences(before: Row, now: Row) -> list[str]:
    before, now = _comparable(before), _comparable(now)
    return [
        f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
        # Earlier versions wrote fewer hashes.
        and not (key.endswith("_sha256") and key not in before)
    ]


def _comparable(job: Row) -> Row:
    """With dtypes by their long names: folders of version 0.1 say "fp32" and "bf16"."""
    return {
        key: dtype_name(value, key) if key.endswith("dtype") and isinstance(value, str) else value
        for key, value in job.items()
        if key != _NOT_COMPARED
    }
