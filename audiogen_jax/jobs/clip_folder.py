"""The output folder of a batch job, which a kill at any moment leaves whole.

Files of a batch of clips are written to a staging folder; then the batch's rows are appended to
the manifest in one write, which is the moment it counts as done; then the files are renamed to
their places. The next start finishes renames, removes what was staged and not committed, and drops
a last manifest line that was cut short. Clips that are gone, or not as the manifest says, are made
again; what was changed stays, under another name. No other file is written over.
"""

import concurrent.futures
import os
import shutil
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from audiogen_jax.files.atomic import sync, write_synced
from audiogen_jax.files.audio import FORMATS
from audiogen_jax.files.fingerprint import sha256
from audiogen_jax.files.jsonl import Row, append_rows, read_appended_rows, recover_rows, to_lines
from audiogen_jax.input.row_errors import check_tolerated
from audiogen_jax.jobs.job import JobFolder, Share, set_aside

_THREADS = 8
_NAMED = 5


def check_free(folder: Path, share: Share, names: Iterable[str]) -> None:
    """Checks that a job would write over no file but its earlier ones.

    Args:
      folder: of the output.
      share: of the job.
      names: of the files that it makes.

    Raises:
      ValueError: it would; one is named.
    """
    if not folder.is_dir():
        return
    if present := {entry.name for entry in os.scandir(folder)}.intersection(names):
        manifest = folder / _manifest(share)
        made = {row.get("file") for row in read_appended_rows(manifest)}
        if foreign := sorted(present - made):
            raise _not_ours(folder / foreign[0], manifest.name)


class ClipFolder(JobFolder):
    """Where one share of a job writes.

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
        self._manifest = folder / _manifest(share)
        self._errors = folder / f"errors{share.suffix}.jsonl"
        super().__init__(folder, job, share, (self._manifest.name, self._errors.name))
        self._failing = threading.Lock()
        self.done: set[str] = set()
        self.failed: dict[str | int, Row] = {}

    def commit(self, files: Mapping[str, bytes], rows: Sequence[Row]) -> None:
        """Adds a batch of clips.

        Args:
          files: name -> contents.
          rows: of the manifest, each with "id" and "file".

        Raises:
          ValueError: one of these files stands there already, and was not made by this job.
          OSError: a file cannot be written; the batch is not done then.
        """
        for name in files:
            if os.path.lexists(self._folder / name):
                raise _not_ours(self._folder / name, self._manifest.name)
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
            new: dict[str | int, Row] = {}
            for row in rows:
                key = _key(row)
                if key not in self.failed and key not in self.done:
                    new[key] = row
            append_rows(self._errors, new.values())
            self.failed |= new

    def check_failed(self) -> None:
        """Stops a job in which too much goes wrong.

        Raises:
          ValueError: too many clips or rows are in `errors.jsonl`; the first is named.
        """
        if self.failed:
            first = next(iter(self.failed.values()))
            tried = len(self.done) + len(self.failed)
            what = f"rows and clips (see {self._errors})"
            check_tolerated(len(self.failed), tried, what, str(first.get("error")))

    def forget_errors(self) -> None:
        """Empties `errors.jsonl`, so that what failed is tried again."""
        self.failed = {}
        if self._errors.exists():
            self._replace(self._errors.name, b"")

    def _recover(self) -> None:
        rows = recover_rows(self._manifest)
        for number, row in enumerate(rows, 1):
            _check_row(row, f"{self._manifest}, line {number}")
        for row in rows:
            final, staged = self._folder / row["file"], self._staging / row["file"]
            if staged.exists() and not final.exists():
                os.replace(staged, final)
        shutil.rmtree(self._staging)
        self._staging.mkdir()
        with concurrent.futures.ThreadPoolExecutor(_THREADS) as readers:
            whole = [*readers.map(self._is_whole, rows)]
        if changed := [row for row, same in zip(rows, whole, strict=True) if not same]:
            done = [set_aside(self._folder / row["file"]) for row in changed]
            rows = [row for row, same in zip(rows, whole, strict=True) if same]
            self._replace(self._manifest.name, to_lines(rows))
            more = f" and {len(done) - _NAMED} more" if len(done) > _NAMED else ""
            warnings.warn(
                f"{self._folder}: {len(done)} clips are not as {self._manifest.name} says and are "
                f"made again: {', '.join(done[:_NAMED])}{more}",
                stacklevel=4,
            )
        self.done = {row["id"] for row in rows}
        self.failed = {_key(row): row for row in recover_rows(self._errors)}

    def _is_whole(self, row: Row) -> bool:
        """Whether the file of a row is the one that was written: reading it takes far less time
        than making it did."""
        path = self._folder / row["file"]
        return path.is_file() and row.get("sha256") in (None, sha256(path))


def _manifest(share: Share) -> str:
    return f"manifest{share.suffix}.jsonl"


def _not_ours(path: Path, manifest: str) -> ValueError:
    return ValueError(
        f"{path} stands there already and is not listed in {manifest}: move it away, or give "
        "another folder"
    )


def _check_row(row: Row, where: str) -> None:
    """A manifest decides which files are renamed: none outside of its folder."""
    clip_id, name = row.get("id"), row.get("file")
    if not isinstance(clip_id, str):
        raise ValueError(f"{where}: id is {clip_id!r:.60}, expected text")
    if not isinstance(name, str) or {*name} & {*"/\\\0"} or Path(name).suffix not in FORMATS:
        raise ValueError(f"{where}: file is {name!r:.60}, expected a clip beside it")


def _key(row: Row) -> str | int:
    key = row.get("id", row.get("row"))
    return key if isinstance(key, str | int) else str(key)
