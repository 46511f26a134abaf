"""Edit pairs in shards: folders of FLAC files that any process can make, in any order.

A shard is made in a folder of another name. An item of it (a mixed pair, or a recording of which
pairs are made) counts as done when its row is appended to `shard.jsonl`, after its files; the
folder gets its name when all of its items are there. So whoever goes on with a shard after a kill,
this process or another one, makes the item that was on its way once more, and no other. What an
item gives depends on the job and its number. When all shards are there, `pairs.jsonl` lists their
pairs, and `dropped.jsonl` says which items gave fewer than they might, and why.
"""

import concurrent.futures
import functools
import multiprocessing.connection
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float32

from audiogen_jax.files.atomic import sync, write_synced, written_atomically
from audiogen_jax.files.audio_encoding import encode_audio
from audiogen_jax.files.fingerprint import sha256
from audiogen_jax.files.jsonl import Row, append_rows, read_rows, recover_rows, to_lines
from audiogen_jax.files.lock import locked
from audiogen_jax.input.manifest import SPLITS, AudioRecord
from audiogen_jax.jobs.job import JobFolder, Share
from data.licenses import STRICTNESS, strictest

PAIRS = "pairs.jsonl"
DROPPED = "dropped.jsonl"
_SHARD = "shard.jsonl"
_FILES = ("input", "output", "event", "replacement")
_CREDITS = ("license", "author", "title", "source_url")


class Shard(NamedTuple):
    """The items of a split from one number to another."""

    number: int
    split: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        return f"{self.number:05}"


class Made(NamedTuple):
    """What an item gives.

    Attributes:
      files: name -> contents.
      pairs: rows of `pairs.jsonl`, whose files are among these.
      dropped: why pairs that it might have given are not there.
    """

    files: Mapping[str, bytes]
    pairs: Sequence[Row]
    dropped: Sequence[str] = ()


class Maker(Protocol):
    """Makes the items of a job."""

    def __call__(self, split: str, number: int) -> Made: ...


class Job(Protocol):
    """All that decides the bytes of a set of pairs; goes to other processes."""

    def shards(self) -> Sequence[Shard]: ...

    def described(self) -> Mapping[str, object]:
        """What is compared when the job is started again, as JSON."""
        ...

    def maker(self) -> Maker: ...


class ShardBuilder:
    """Makes shards of a job in a folder, any number of them at once in as many processes."""

    def __init__(self, job: Job, folder: Path):
        """Takes the job and the folder; nothing is read before the first item is made."""
        self._job, self._folder = job, folder

    def __reduce__(self) -> tuple[object, ...]:
        return ShardBuilder, (self._job, self._folder)  # another process reads for itself

    @functools.cached_property
    def _make(self) -> Maker:
        return self._job.maker()

    def is_done(self, shard: Shard) -> bool:
        """Whether a shard is there, and so complete."""
        return (self._folder / shard.name).exists()

    def build(self, shard: Shard) -> int:
        """Makes what is left of a shard.

        Returns:
          Items made now.

        Raises:
          ValueError: a manifest or recordings that cannot be read.
          OSError: a file cannot be written, or another process is making this shard.
        """
        final, staged = self._folder / shard.name, self._folder / f".part-{shard.name}"
        busy = f"{final}: another process is making this shard"
        with locked(self._folder / f".lock-{shard.name}", busy):
            if final.exists():
                return 0
            staged.mkdir(exist_ok=True)
            first = shard.start + len(recover_rows(staged / _SHARD))
            for number in range(first, shard.stop):
                made = self._make(shard.split, number)
                for name, contents in made.files.items():
                    write_synced(staged / name, contents)
                row = {"pairs": made.pairs, "dropped": made.dropped}
                append_rows(staged / _SHARD, [{"split": shard.split, "number": number} | row])
            sync(staged)
            os.replace(staged, final)
            sync(self._folder)
        return shard.stop - first

    def finish(self) -> tuple[int, int]:
        """Writes `pairs.jsonl` and `dropped.jsonl` of all shards, which are there.

        Returns:
          Pairs, and what was dropped.

        Raises:
          ValueError: there is no pair; says why the first is not.
        """
        counts = []
        for name, rows in ((DROPPED, self._dropped()), (PAIRS, self._pairs())):
            count = 0
            with written_atomically(self._folder / name) as temporary, temporary.open("wb") as file:
                for row in rows:
                    file.write(to_lines([row]))
                    count += 1
            counts.append(count)
        if not counts[1]:
            first = next(self._dropped(), {"why": "nothing was asked for"})
            raise ValueError(f"{self._folder}: no pair could be made; the first: {first['why']}")
        return counts[1], counts[0]

    def _items(self) -> Iterator[tuple[str, Row]]:
        for shard in self._job.shards():
            for item in read_rows(self._folder / shard.name / _SHARD):
                yield shard.name, item

    def _pairs(self) -> Iterator[Row]:
        for folder, item in self._items():
            for row in item["pairs"]:
                yield row | {name: f"{folder}/{row[name]}" for name in _FILES if name in row}

    def _dropped(self) -> Iterator[Row]:
        for _, item in self._items():
            for why in item["dropped"]:
                yield {"split": item["split"], "number": item["number"], "why": why}


class EditFolder(JobFolder):
    """The folder of a job; its shards recover by themselves."""

    def __init__(self, folder: Path, job: Job, share: Share):
        super().__init__(folder, job.described(), share, (PAIRS,))

    def _recover(self) -> None:
        pass


def build_shards(job: Job, out: Path, share: Share | None = None, processes: int = 1) -> str:
    """Makes the shards of a share that are not there, and the manifest if none is missing then.

    Args:
      job: what is made.
      out: folder, common to all shares.
      share: which shards to make, every n-th from i; all of them by default.
      processes: that make shards at once.

    Returns:
      What is there now, in one line.

    Raises:
      ValueError: the folder is of another job, or recordings that cannot be read.
      OSError: a file cannot be written, or the same share is running.
    """
    share = share or Share()
    builder = ShardBuilder(job, out)
    with EditFolder(out, job, share):
        mine = job.shards()[share.index :: share.count]
        left = [shard for shard in mine if not builder.is_done(shard)]
        started, made = time.monotonic(), 0
        for count in _built(builder, left, processes):
            made += count
            rate = made / (time.monotonic() - started)
            print(f"{made} made, {rate:.1f}/s", flush=True)
        return finished(builder, job, out)


def finished(builder: ShardBuilder, job: Job, out: Path) -> str:
    """Writes the manifest unless shards are missing; says what is there."""
    if missing := sum(not builder.is_done(shard) for shard in job.shards()):
        return f"{out}: {missing} shards of other shares are missing"
    pairs, dropped = builder.finish()
    return f"{out / PAIRS}: {pairs} pairs" + (f", {dropped} dropped, see {DROPPED}" * (dropped > 0))


def _built(builder: ShardBuilder, shards: Sequence[Shard], processes: int) -> Iterator[int]:
    """Items made of each shard, as they are finished."""
    if processes == 1:
        yield from map(builder.build, shards)
        return
    # Started anew: what is forked from a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(processes, context, _begin, (builder,)) as pool:
        for done in concurrent.futures.as_completed([pool.submit(_build, s) for s in shards]):
            yield done.result()


_BUILDERS: list[ShardBuilder] = []
"""That of this process: it keeps the recordings that it has decoded."""


def _begin(builder: ShardBuilder) -> None:
    _BUILDERS.append(builder)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Nothing else ends this process, or frees its locks, where the first one is killed."""
    if parent := multiprocessing.parent_process():
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _build(shard: Shard) -> int:
    return _BUILDERS[0].build(shard)


def shards_of(counts: Mapping[str, int], size: int) -> list[Shard]:
    """Shards of so many items of each split, those of "train" first.

    Raises:
      ValueError: there is no item, or no size.
    """
    if counts.keys() - set(SPLITS) or any(count < 0 for count in counts.values()):
        raise ValueError(f"counts={dict(counts)}: expected numbers of {SPLITS}")
    if not sum(counts.values()):
        raise ValueError("no pairs are asked for: give a number of them")
    if size < 1:
        raise ValueError(f"shard_size={size}: expected at least 1")
    ranges = [
        (split, start, min(start + size, counts.get(split, 0)))
        for split in SPLITS
        for start in range(0, counts.get(split, 0), size)
    ]
    return [Shard(number, *each) for number, each in enumerate(ranges)]


def weighted_hashes(manifests: Iterable[tuple[str, float]]) -> list[list[object]]:
    """Manifests by their contents, for `Job.described`."""
    return [[sha256(Path(path)), weight] for path, weight in manifests]


def flac_files(
    clips: Mapping[str, Float32[np.ndarray, "n a"]], sample_rate: int
) -> dict[str, bytes]:
    """File name -> contents, of clips by their names without a suffix."""
    return {
        f"{name}.flac": encode_audio(clip, sample_rate, ".flac").contents
        for name, clip in clips.items()
    }


class Credits:
    """What manifests say of the licences of their recordings."""

    def __init__(self, manifests: Iterable[str]):
        """Reads manifests in .jsonl; tar files say nothing."""
        self._by_path: dict[Path, Row] = {}
        for manifest in manifests:
            if Path(manifest).suffix == ".jsonl":
                for row in read_rows(manifest):
                    path = Path(manifest).parent / str(row.get("path"))
                    self._by_path[path] = {key: row[key] for key in _CREDITS if row.get(key)}

    def row(self, clips: Mapping[str, Sequence[AudioRecord]]) -> Row:
        """Columns of a pair: its licence, if those of all clips are known, and its sources.

        Args:
          clips: role in the pair -> recordings.
        """
        sources = [
            {"role": role, "audio_id": clip.audio_id, **self._by_path.get(clip.path, {})}
            for role, members in clips.items()
            for clip in members
        ]
        licenses = [str(source.get("license")) for source in sources]
        known = bool(licenses) and all(license in STRICTNESS for license in licenses)
        return ({"license": strictest(licenses)} if known else {}) | {"sources": sources}
