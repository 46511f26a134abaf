"""Edit pairs per second that one core mixes, and writes; what a million of them costs.

Pairs of 10 seconds are drawn as a training draws them (`EditMixer.draw`), and made as
`data.build_edits` makes them: drawn, written as FLAC files and rows. Processor time counts, so that
other work on the machine does not; the recordings are decoded before. From the root of the
repository (about a minute):

    python -m tests.benchmarks.edit_pairs datasets/worded/esc10.jsonl=5 \\
        datasets/worded/sfx_cc.jsonl=2 datasets/worded/ambience.jsonl=2 \\
        datasets/worded/music.jsonl=2 datasets/worded/fsdd.jsonl=5

Writes tests/benchmarks/results/edit-pairs.json.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.input.audio_batches import clips_of_split
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.edits.mixer import EditMixer
from audiogen_jax.input.mixture import BatchConfig
from audiogen_jax.input.scenes.library import SceneLibrary
from data.build_edits import edit_config
from data.edit_shards import Shard, ShardBuilder
from data.mixed_edits import CACHE_BYTES, MixedEdits

RATE = 16000
MILLION = 1_000_000


def measure(make: Callable[[int], object], count: int, repeats: int) -> dict[str, object]:
    """Pairs/s of processor time of what makes the pairs from a number on."""
    rates = []
    for repeat in range(repeats):
        start = time.process_time()
        make(repeat)
        rates.append(count / (time.process_time() - start))
    rate = statistics.median(rates)
    return {
        "pairs_per_second_and_core": rate,
        "all": rates,
        "core_hours_of_a_million": MILLION / rate / 3600,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifests", nargs="+", help="of single recordings: PATH or PATH=WEIGHT")
    parser.add_argument("--pairs", type=int, default=60, help="of each repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    results = Path(__file__).parent / "results"
    parser.add_argument("--output", type=Path, default=results / "edit-pairs.json")
    args = parser.parse_args()
    config = edit_config(args.manifests, None)
    library = SceneLibrary(
        (clips_of_split(path, BatchConfig()), weight) for path, weight in config.manifests
    )
    mixer = EditMixer(config, library, AudioCache(RATE, CACHE_BYTES))

    def mix(repeat: int) -> None:
        for number in range(repeat * args.pairs, (repeat + 1) * args.pairs):
            mixer.draw(args.seconds, np.random.default_rng(number))

    for warm in range(args.repeats + 4):
        mix(warm)
    rows = {"mixed while a training runs": measure(mix, args.pairs, args.repeats)}
    for stems in (False, True):
        name = "mixed and written" + (", with stems" if stems else "")
        with tempfile.TemporaryDirectory() as folder:
            job = MixedEdits(config=config, counts={"train": 1}, seconds=args.seconds, stems=stems)
            builder = ShardBuilder(job, Path(folder))

            def write(number: int, builder: ShardBuilder = builder) -> None:
                shard = Shard(number, "train", number * args.pairs, (number + 1) * args.pairs)
                builder.build(shard)

            for warm in range(4):
                write(100 + warm)
            rows[name] = measure(write, args.pairs, args.repeats)
            files = [*Path(folder).rglob("*.flac")]
            pairs = (args.repeats + 4) * args.pairs
            size = sum(file.stat().st_size for file in files) / pairs
            rows[name] |= {"bytes_per_pair": size, "gigabytes_of_a_million": size * MILLION / 1e9}
    result = {"seconds": args.seconds, "sample_rate": RATE, "rows": rows, **environment()}
    result["hardware"]["load_average"] = os.getloadavg()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
