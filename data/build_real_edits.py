"""Makes edit pairs of real recordings by separating what is heard; see `data.real_edits`.

    python -m data.build_real_edits --out real_edits --examples worded/esc10.jsonl \\
        --examples worded/sfx_cc.jsonl recordings.jsonl

Sounds are named from captions and labels, and separated by non-negative matrix factorisation with
spectra learned of the examples: no model is needed, and only sounds are known that have examples.
Better stages, where they are at hand: `--separator editor:nano` (an editor of this package),
`--separator sam-audio`, `--match clap`, `--namer "llm:http://localhost:8000/v1 MODEL"`. Folders,
shares, kills and restarts are those of `data.build_edits`; `dropped.jsonl` says which sounds gave
no pair, and why.
"""

import argparse
from pathlib import Path

from audiogen_jax.jobs.job import Share
from data.edit_shards import build_shards
from data.real_edits import MATCHES, NAMERS, RESTYLERS, SEPARATORS, RealEdits


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m data.build_real_edits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recordings", nargs="+", help="manifests of what pairs are made of")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pairs")
    parser.add_argument(
        "--examples", action="append", default=[], help="manifest of single recordings; repeat it"
    )
    parser.add_argument("--namer", default=NAMERS[0], help=f"of {NAMERS}")
    parser.add_argument("--separator", default=SEPARATORS[0], help=f"of {SEPARATORS}")
    parser.add_argument("--match", default=MATCHES[0], help=f"of {MATCHES}")
    parser.add_argument("--restyler", default=RESTYLERS[0], help=f"of {RESTYLERS}")
    parser.add_argument("--seconds", type=float, default=10.0, help="kept of a recording at most")
    parser.add_argument("--rate", type=int, default=16000, help="Hz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shard-size", type=int, default=100, help="recordings per folder")
    parser.add_argument("--share", default="0/1", help="I/N: every N-th shard from I")
    parser.add_argument("--processes", type=int, default=1, help="at once")
    args = parser.parse_args(argv)
    try:
        job = RealEdits(
            recordings=tuple(args.recordings),
            examples=tuple(args.examples),
            namer=args.namer,
            separator=args.separator,
            match=args.match,
            restyler=args.restyler,
            seconds=args.seconds,
            sample_rate=args.rate,
            seed=args.seed,
            shard_size=args.shard_size,
        )
        print(build_shards(job, args.out, Share.parse(args.share), args.processes))
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
