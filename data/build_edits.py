"""Mixes edit pairs from manifests of single recordings; see `data.edit_shards`.

    python -m data.build_edits --out edits --train 2000 --val 200 --seconds 5 \\
        worded/esc10.jsonl=5 worded/sfx_cc.jsonl=2 worded/fsdd.jsonl worded/music.jsonl \\
        worded/ambience.jsonl

Writes folders of FLAC files and, when all of them are there, `pairs.jsonl` with the columns of
AudioEdit (id, type, prompt, input, output) and of `audiogen_jax.input.edits.manifest`. The same
arguments give the same bytes. Started again, it goes on where it was; `--share 0/4` makes every
fourth shard alone, here or on another machine with the same folder, and the last one to end writes
`pairs.jsonl`. `--settings` names a JSON file with fields of `EditConfig`.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing.connection
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from audiogen_jax.files.atomic import written_atomically
from audiogen_jax.files.json_object import read_object
from audiogen_jax.files.jsonl import to_lines
from audiogen_jax.input.edits.config import EditConfig
from audiogen_jax.jobs.job import JobFolder, Share
from audiogen_jax.train.typed_config import typed
from data.edit_shards import PAIRS, EditJob, Shard, ShardBuilder


class EditFolder(JobFolder):
    """The folder of a job; shards recover by themselves."""

    def __init__(self, folder: Path, job: EditJob, share: Share):
        super().__init__(folder, job.described(), share, (PAIRS,))

    def _recover(self) -> None:
        pass


def build_edits(job: EditJob, out: Path, share: Share | None = None, processes: int = 1) -> int:
    """Makes the shards of a share that are not there, and `pairs.jsonl` if none is missing then.

    Args:
      job: what is made.
      out: folder, common to all shares.
      share: which shards to make, every n-th from i; all of them by default.
      processes: that make shards at once.

    Returns:
      Shards of other shares that are missing.

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
            print(f"{made} pairs made, {rate:.1f}/s", flush=True)
        missing = sum(not builder.is_done(shard) for shard in job.shards())
        if not missing:
            with written_atomically(out / PAIRS) as temporary, temporary.open("wb") as file:
                for row in builder.rows():
                    file.write(to_lines([row]))
    return missing


def _built(builder: ShardBuilder, shards: Sequence[Shard], processes: int) -> Iterator[int]:
    """Pairs made of each shard, as they are finished."""
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


def edit_config(manifests: Sequence[str], settings: Path | None) -> EditConfig:
    """The config of manifests, each "PATH" or "PATH=WEIGHT", and a file of other fields.

    Raises:
      ValueError: a weight or a field is wrong; names it.
      OSError: the file cannot be read.
    """
    values = read_object(settings) if settings else {}
    pairs = []
    for manifest in manifests:
        path, equals, weight = manifest.rpartition("=")
        try:
            pairs.append((path, float(weight)) if equals else (manifest, 1.0))
        except ValueError:
            raise ValueError(f"{manifest}: expected PATH or PATH=WEIGHT") from None
    values = {"weight": 1.0, "buckets": (1.0,)} | values | {"manifests": tuple(pairs)}
    return typed(EditConfig, values)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m data.build_edits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("manifests", nargs="+", help="of single recordings: PATH or PATH=WEIGHT")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pairs")
    parser.add_argument("--train", type=int, default=1000, help="number of training pairs")
    parser.add_argument("--val", type=int, default=0, help="number of validation pairs")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of every pair")
    parser.add_argument("--rate", type=int, default=16000, help="Hz")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stems", action="store_true", help="write what is named alone, too")
    parser.add_argument("--settings", type=Path, help="JSON file with fields of EditConfig")
    parser.add_argument("--shard-size", type=int, default=500, help="pairs per folder")
    parser.add_argument("--share", default="0/1", help="I/N: every N-th shard from I")
    parser.add_argument(
        "--processes", type=int, default=1, help=f"at once; this machine has {os.cpu_count()} cores"
    )
    args = parser.parse_args(argv)
    try:
        job = EditJob(
            config=edit_config(args.manifests, args.settings),
            counts={"train": args.train, "val": args.val},
            seconds=args.seconds,
            sample_rate=args.rate,
            channels=args.channels,
            seed=args.seed,
            shard_size=args.shard_size,
            stems=args.stems,
        )
        missing = build_edits(job, args.out, Share.parse(args.share), args.processes)
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    if missing:
        print(f"{args.out}: {missing} shards of other shares are missing")
    else:
        print(f"{args.out / PAIRS}: {json.dumps(dataclasses.asdict(job)['counts'])} pairs")


if __name__ == "__main__":
    main()
