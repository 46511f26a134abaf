"""The output folder of a batch job, which a kill at any moment leaves whole.

Files of a batch of clips are written to a staging folder; then the batch's rows are appended to
the manifest in one write, which is the moment it counts as done; then the files are renamed to
their places. The next start finishes renames, removes what was staged and not committed, and drops
a last manifest line that was cut short.
"""

import os
import threading
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from audiogen_jax.files.atomic import sync, write_synced
from audiogen_jax.files.jsonl import Row, append_rows, recover_rows, write_rows
from audiogen_jax.jobs.job import Share, check_job, lock_share

_LONGEST_NAME = 200


def file_name(clip_id: str, suffix: str) -> str:
    """The file of a clip: its id, with what a file name may not hold percent-encoded.

    Raises:
      ValueError: the name would be too long for a file system.
    """
    name = urllib.parse.quote(clip_id, safe=" ()+,=@") + suffix
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"id {clip_id[:40]!r}… gives a file name of {len(name)} characters: "
                         f"expected at most {_LONGEST_NAME}")  # fmt: skip
    return name


class ClipFolder:
    """Where one share of a job writes; use as a context manager, which holds a lock.

    Attributes:
      done: ids whose rows are in the manifest.
      failed: the rows of `errors.jsonl`, by the id of the clip, or the number of the row of the
        prompt file where it has none.
    """

    def __init__(self, folder: Path, job: Mapping[str, object], share: Share):
        """Nothing is written before `__enter__`.

        Args:
          folder: of the output, common to all shares.
          job: all that decides the bits of the clips; must be the same at every start.
          share: which of the job's this is.
        """
        self._folder, self._job, self._share = folder, dict(job), share
        self._manifest = folder / f"manifest{share.suffix}.jsonl"
        self._errors = folder / f"errors{share.suffix}.jsonl"
        self._staging = folder / f".staging{share.suffix}"
        self._failing = threading.Lock()
        self.done: set[str] = set()
        self.failed: dict[str | int, Row] = {}

    def __enter__(self) -> Self:
        """Takes the lock and puts the folder in order.

        Raises:
          ValueError: the folder is that of another job, or lacks a file that its manifest lists.
          OSError: it cannot be written, or the same share is running.
        """
        self._lock = lock_share(self._folder, self._share)
        try:
            check_job(self._folder, self._job)
            self._recover()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def commit(self, files: Mapping[str, bytes], rows: Sequence[Row]) -> None:
        """Adds a batch of clips.

        Args:
          files: name -> contents.
          rows: of the manifest, each with "id" and "file".

        Raises:
          OSError: a file cannot be written; the batch is not done then.
        """
        self._staging.mkdir(exist_ok=True)
        for name, contents in files.items():
            write_synced(self._staging / name, contents)
        sync(self._staging)
        append_rows(self._manifest, rows)
        for name in files:
            os.replace(self._staging / name, self._folder / name)
        sync(self._folder)
        self.done |= {row["id"] for row in rows}

    def fail(self, rows: Sequence[Row]) -> None:
        """Adds to `errors.jsonl`, but for what stands there and clips that are done.

        The thread that plans batches and the one that writes them may call it at once.

        Args:
          rows: each with "error" and with "id", or "row" where the id is not known.
        """
        with self._failing:
            known = self.failed.keys() | self.done
            new = {_key(row): row for row in rows if _key(row) not in known}
            append_rows(self._errors, new.values())
            self.failed |= new

    def forget_errors(self) -> None:
        """Empties `errors.jsonl`, so that what failed is tried again."""
        self.failed = {}
        if self._errors.exists():
            write_rows(self._errors, [])

    def _recover(self) -> None:
        for row in recover_rows(self._manifest):
            final, staged = self._folder / row["file"], self._staging / row["file"]
            if staged.exists():
                os.replace(staged, final)
            elif not final.exists():
                raise ValueError(
                    f"{self._manifest} lists {row['file']}, which is gone: put it back, or remove "
                    "that line to have it made again"
                )
            self.done.add(row["id"])
        if self._staging.is_dir():
            for path in self._staging.iterdir():
                path.unlink()
        self.failed = {_key(row): row for row in recover_rows(self._errors)}


def _key(row: Row) -> str | int:
    return row["id"] if "id" in row else row["row"]
