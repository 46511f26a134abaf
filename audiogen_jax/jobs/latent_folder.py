"""The folder of an encoding job, which a kill at any moment leaves whole.

A shard, its index and its summary (size, hash, clips that failed) are written to a staging folder;
then index and summary are renamed to their places, and the shard last: a shard that is there is
complete and never written again, but for one that is no longer as its summary says: it is made
anew, and the changed one stays under another name. Once all shards are there, of all processes,
`errors.jsonl` and `dataset.json` are put together from the summaries; several processes would write
the same bytes.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from array_record.python.array_record_module import ArrayRecordWriter

from audiogen_jax.files.atomic import sync, write_synced
from audiogen_jax.files.content_hashes import record_contents
from audiogen_jax.files.fingerprint import sha256
from audiogen_jax.files.jsonl import Row, to_lines
from audiogen_jax.input.latent_dataset import (
    DATASET,
    SHARD_OPTIONS,
    DatasetInfo,
    IndexRow,
    LatentShard,
    index_bytes,
    index_file,
)
from audiogen_jax.input.latent_records import LatentRecord, encode_record
from audiogen_jax.input.prompt_arrays import (
    Kinds,
    PromptInfo,
    kinds_from_json,
    kinds_of,
    merge_kinds,
)
from audiogen_jax.jobs.job import JobFolder, Share, set_aside

ERRORS = "errors.jsonl"


class LatentFolder(JobFolder):
    """Where one share of an encoding job writes.

    A job may be gone on with in another number of shares, but not while the first still run.
    """

    def __init__(self, folder: Path, job: Mapping[str, object], share: Share, count: int):
        """Nothing is written before `__enter__`.

        Args:
          folder: of the dataset, common to all shares.
          job: all that decides the dataset; must be the same at every start.
          share: which of the job's this is.
          count: shards of the dataset, over all shares.
        """
        self._count = count
        self._shards = [f"latents-{n:05}-of-{count:05}.arrayrecord" for n in range(count)]
        super().__init__(folder, job, share, (DATASET, ERRORS, *self._shards))

    def _recover(self) -> None:
        shutil.rmtree(self._staging)
        self._staging.mkdir()
        ending = f"{self._share.count:05}" if self._share.count > 1 else ""
        for path in [*self._folder.glob(".staging*"), *self._folder.glob(".lock*")]:
            if path.name.partition("-of-")[2] != ending:  # killed in another number of shares
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        mine = range(self._share.index, self._count, self._share.count)
        if damaged := [path for number in mine if (path := self._damaged(number))]:
            done = map(set_aside, damaged)
            warnings.warn(
                f"{self._folder}: {len(damaged)} shards are not as they were written and are made "
                f"again: {', '.join(done)}",
                stacklevel=4,
            )

    def _damaged(self, number: int) -> Path | None:
        """The file of a shard that is not as it was written; one untouched since is not read."""
        shard = self._folder / self._shards[number]
        index = self._folder / index_file(shard.name)
        if not shard.exists():
            return None
        try:
            summary = self._summary(number)
            size, digest = summary["shard"]["bytes"], summary["shard"]["sha256"]
            indexed = summary.get("index_sha256")
            written = (self._folder / _summary_file(shard.name)).stat().st_mtime_ns
        except (OSError, ValueError, TypeError, KeyError):
            return shard
        touched = shard.stat().st_mtime_ns > written
        if shard.stat().st_size != size or (touched and sha256(shard) != digest):
            return shard
        whole = index.is_file() and indexed in (None, sha256(index))
        return None if whole else index

    def _leave(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)

    def has(self, number: int) -> bool:
        """Whether a shard is there, and so complete."""
        shard = self._folder / self._shards[number]
        try:
            size = self._summary(number)["shard"]["bytes"]
            return shard.stat().st_size == size and (self._folder / index_file(shard.name)).exists()
        except (OSError, ValueError, TypeError, KeyError):
            return False

    def counts(self, number: int) -> tuple[int, int]:
        """Clips in a shard that is there, and clips that failed."""
        summary = self._summary(number)
        return summary["shard"]["clips"], len(summary["errors"])

    def begin(self, number: int) -> "ShardWriter":
        """Starts a shard."""
        return ShardWriter(self._folder, self._staging, self._shards[number])

    def finish(
        self, info: DatasetInfo, malformed: Sequence[Row] = (), prompts_sha256: str | None = None
    ) -> int:
        """Writes `errors.jsonl` and `dataset.json` if all shards are there.

        Args:
          info: without shards.
          malformed: rows of `errors.jsonl` of what was no clip to begin with.
          prompts_sha256: of what has read the prompts that are in the records, if any are.

        Returns:
          How many shards are not there yet; 0 if the dataset is complete.

        Raises:
          ValueError: no clip could be encoded.
        """
        if missing := sum(not self.has(number) for number in range(self._count)):
            return missing
        summaries = [self._summary(number) for number in range(self._count)]
        errors = [*malformed, *(row for summary in summaries for row in summary["errors"])]
        self._replace(ERRORS, to_lines(errors))
        shards = tuple(LatentShard(**summary["shard"]) for summary in summaries)
        if not sum(shard.clips for shard in shards):
            raise ValueError(
                f"none of {len(errors)} clips could be encoded, see {self._folder / ERRORS}; the "
                f"first: {errors[0]['error']}. Remove {self._folder} to start again"
            )
        if prompts_sha256 is not None:
            kinds = merge_kinds(
                [kinds_from_json(summary.get("prompts", {})) for summary in summaries]
            )
            info = dataclasses.replace(info, prompts=PromptInfo(prompts_sha256, kinds))
        record_contents(self._folder, [index_file(shard.file) for shard in shards])
        self._replace(DATASET, info.with_shards(shards).to_json().encode())
        record_contents(self._folder, [DATASET])
        return 0

    def _summary(self, number: int) -> dict[str, Any]:
        path = self._folder / _summary_file(self._shards[number])
        return json.loads(path.read_text(encoding="utf-8"))


class ShardWriter:
    """One shard on its way: records are added, then it is committed."""

    def __init__(self, folder: Path, staging: Path, name: str):
        """Args: where the shard shall be, where it is written first, its file name."""
        self._folder, self._staging, self._name = folder, staging, name
        self._writer = ArrayRecordWriter(str(staging / name), SHARD_OPTIONS)
        self._index: list[IndexRow] = []
        self._prompts: Kinds = {}

    def add(self, record: LatentRecord) -> None:
        """Adds a record.

        Raises:
          OSError: it cannot be written.
        """
        try:
            self._writer.write(encode_record(record))
        except RuntimeError as error:
            raise OSError(f"cannot write {self._folder / self._name}: {error}") from error
        self._prompts = merge_kinds([self._prompts, kinds_of(record.prompt)])
        captioned = "caption" in record.views
        self._index.append(IndexRow(record.audio_id, record.split, captioned, len(record.latents)))

    def commit(self, errors: Sequence[Mapping[str, object]]) -> None:
        """Puts the shard in its place.

        Args:
          errors: rows of `errors.jsonl` of the clips that should have been in it.

        Raises:
          OSError: it cannot be written.
        """
        staged = self._staging / self._name
        try:
            self._writer.close()
        except RuntimeError as error:
            raise OSError(f"cannot write {self._folder / self._name}: {error}") from error
        sync(staged)
        shard = {
            "file": self._name,
            "clips": len(self._index),
            "bytes": staged.stat().st_size,
            "sha256": sha256(staged),
        }
        index = index_bytes(self._index)
        digest = hashlib.sha256(index).hexdigest()
        said = {"shard": shard, "index_sha256": digest, "errors": errors}
        if self._prompts:
            said["prompts"] = {name: dataclasses.asdict(k) for name, k in self._prompts.items()}
        summary = to_lines([said])
        beside = {index_file(self._name): index, _summary_file(self._name): summary}
        for name, contents in beside.items():
            write_synced(self._staging / name, contents)
            os.replace(self._staging / name, self._folder / name)
        sync(self._folder)
        os.replace(staged, self._folder / self._name)
        sync(self._folder)


def _summary_file(shard: str) -> str:
    return str(Path(shard).with_suffix(".json"))
