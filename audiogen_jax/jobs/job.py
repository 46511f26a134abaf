"""What jobs that may be killed and started again keep in their output folder."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import filelock

from audiogen_jax.files.atomic import write_text
from audiogen_jax.types import dtype_name


@dataclasses.dataclass(frozen=True)
class Share:
    """One of the equal shares of a job that run by themselves.

    Attributes:
      index: from 0.
      count: of all.
    """

    index: int = 0
    count: int = 1

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
        if not 0 <= index < count:
            raise ValueError(f"share {text!r}: expected I from 0 to N - 1")
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


def lock_share(folder: Path, share: Share) -> filelock.BaseFileLock:
    """Makes the folder and takes its lock for one share.

    Returns:
      The lock, which is given back by its `release`, or when it or the process ends.

    Raises:
      OSError: the folder cannot be written, or the same share is running.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / f".lock{share.suffix}")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise OSError(f"{folder}: another process is running this share") from None
    return lock


def check_job(folder: Path, job: Mapping[str, object]) -> None:
    """Writes what decides the outputs to `job.json`, or compares it with what stands there.

    Raises:
      ValueError: the folder is that of another job; the differences are named.
    """
    path = folder / "job.json"
    text = json.dumps(job, indent=1, sort_keys=True) + "\n"
    if not path.exists():
        write_text(path, text)
        return
    known = _spelled_alike(json.loads(path.read_text(encoding="utf-8")))
    ours = _spelled_alike(json.loads(text))
    changed = [
        f"{key} was {known.get(key)!r} and is {ours.get(key)!r}"
        for key in sorted(known.keys() | ours.keys())
        if known.get(key) != ours.get(key)
    ]
    if changed:
        raise ValueError(
            f"{folder} belongs to another job: {'; '.join(changed)}. Give another "
            "folder, or the same arguments to go on"
        )


def _spelled_alike(job: dict[str, object]) -> dict[str, object]:
    """With dtypes by their long names: folders of version 0.1 say "fp32" and "bf16"."""
    return {
        key: dtype_name(value, key) if key.endswith("dtype") and isinstance(value, str) else value
        for key, value in job.items()
    }
