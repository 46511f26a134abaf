"""Mixes edit pairs from manifests of single recordings; see `data.mixed_edits`.

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
import os
from collections.abc import Sequence
from pathlib import Path

from audiogen_jax.files.json_object import read_object
from audiogen_jax.input.edits.config import EditConfig
from audiogen_jax.jobs.job import Share
from audiogen_jax.train.typed_config import typed
from data.edit_shards import build_shards
from data.mixed_edits import MixedEdits


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
        job = MixedEdits(
            config=edit_config(args.manifests, args.settings),
            counts={"train": args.train, "val": args.val},
            seconds=args.seconds,
            sample_rate=args.rate,
            channels=args.channels,
            seed=args.seed,
            shard_size=args.shard_size,
            stems=args.stems,
        )
        print(build_shards(job, args.out, Share.parse(args.share), args.processes))
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
