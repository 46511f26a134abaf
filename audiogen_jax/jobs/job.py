"""What jobs that may be killed and started again keep in their output folder."""

import dataclasses
import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TextIO

from audiogen_jax.files.atomic import write_text


@dataclasses.dataclass(frozen=True)
class Shard:
    """One of the equal parts of a job that run by themselves.

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
            index, count = (int(part) for part in text.split("/"))
        except ValueError:
            raise ValueError(f"shard {text!r}: expected I/N, such as 0/4") from None
        if not 0 <= index < count:
            raise ValueError(f"shard {text!r}: expected I from 0 to N - 1")
        return cls(index, count)

    @property
    def suffix(self) -> str:
        """Tells this shard's files from those of others; empty if it is the whole job."""
        return "" if self.count == 1 else f"-{self.index:05}-of-{self.count:05}"


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
      done: clips of this shard that are written, those of earlier starts included.
      total: clips of this shard.
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


def lock_shard(folder: Path, shard: Shard) -> TextIO:
    """Makes the folder and takes its lock for one shard; closing the file gives it back.

    Raises:
      OSError: the folder cannot be written, or the same shard is running.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / f".lock{shard.suffix}", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise OSError(f"{folder}: another process is running this shard") from None
    return lock


def check_job(folder: Path, job: Mapping[str, Any]) -> None:
    """Writes what decides the outputs to `job.json`, or compares it with what stands there.

    Raises:
      ValueError: the folder is that of another job; the differences are named.
    """
    path = folder / "job.json"
    text = json.dumps(job, indent=1, sort_keys=True) + "\n"
    if not path.exists():
        write_text(path, text)
        return
    known = json.loads(path.read_text(encoding="utf-8"))
    ours = json.loads(text)
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
