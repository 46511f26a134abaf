"""Clips per second that the pipeline of latents delivers to one host.

Random latents of full width (10 s: 250 frames of 1280 channels in bfloat16, 640 kB) with captions
of the published form are written once; batches of 16 with tokenized texts are then drawn, by
several numbers of threads and workers. The files stay in the page cache: disks are not measured.
The need is that of training hosts: 30 clips/s for each of 8 H200, 8 clips/s for a TPU host. Aimed
at is five times that. Without workers the processor is the bound: a record's checksum and copies,
then its text. Workers are slower, as they send whole batches between processes.

From the root of the repository, on an otherwise idle machine (about 2 minutes, 1.3 GB on disk):

    python -m tests.benchmarks.input_pipeline

Writes tests/benchmarks/results/input-pipeline.json.
"""

import argparse
import dataclasses
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from audiogen_jax.checkpoints.locate import NANO
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.input.latent_batches import LatentDataConfig, make_latent_iterator
from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.input.latent_records import LatentRecord
from audiogen_jax.input.text import TextTokenizer
from tests.latent_folder import random_latents, write_dataset

FRAMES, CHANNELS = 250, 1280
BATCH = 16
SHARD = 250
MARGIN = 5
NEEDS = {"8 H200": 240, "TPU host": 8}
SETTINGS = ((1, 0), (2, 0), (4, 0), (8, 0), (2, 1), (2, 2), (4, 2))
"""Threads and workers."""
VIEWS = {
    "caption": (
        "A woman speaks calmly in a small kitchen while water boils and a dog barks twice outside.",
        "Speech of a calm woman over boiling water, with two barks of a dog behind a window.",
    ),
    "speech": ("a calm adult woman, neutral, British English", "a woman speaking slowly"),
    "asr": ("dinner will be ready in about ten minutes, would you set the table please",),
    "sfx": ("water boiling, two dog barks, a spoon against a pot",),
    "music": ("soft piano from a radio in the next room",),
    "env": ("a small kitchen with little reverberation, traffic far away",),
}


def write(folder: Path, clips: int) -> Path:
    """The dataset, written if it is not there."""
    if not (folder / "dataset.json").is_file():
        rng = np.random.default_rng(0)

        def shard(start: int) -> Iterator[LatentRecord]:
            for number in range(start, min(start + SHARD, clips)):
                latents = random_latents(rng, FRAMES, CHANNELS)
                yield LatentRecord(f"clip-{number:07}", "train", VIEWS, latents)

        write_dataset(folder, [shard(start) for start in range(0, clips, SHARD)], CHANNELS)
    return folder


def measure(config: LatentDataConfig, seconds: float, repeats: int) -> dict[str, Any]:
    """Clips/s, and processor time per clip over all processes, after the buffers have filled."""
    rates, costs = [], []
    iterator = make_latent_iterator(config)
    for _ in range(2 * BATCH):
        next(iterator)
    for _ in range(repeats):
        used, start, clips = _processor_seconds(), time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds:
            clips += len(next(iterator)["id"])
        rates.append(clips / spent)
        costs.append((_processor_seconds() - used) / clips)
    return {
        "threads": config.num_threads,
        "workers": config.num_workers,
        "clips_per_second": statistics.median(rates),
        "all": rates,
        # Time of workers is known only when they have ended.
        "cpu_ms_per_clip": None if config.num_workers else 1e3 * statistics.median(costs),
    }


def parts(folder: Path, tokenizer: Path) -> dict[str, float]:
    """Milliseconds per clip of each part by itself, in one thread."""
    dataset = LatentDataset(folder)
    order = np.random.default_rng(1).permutation(len(dataset))[:400]
    text = " ".join(f"<|{view}|> {texts[0]}" for view, texts in VIEWS.items())
    encode = TextTokenizer.from_file(tokenizer).encode_batch
    records = [dataset.read(number) for number in order[:BATCH]]

    def read() -> None:
        for number in order:
            dataset.read(number)

    def collate() -> None:
        batch = np.zeros((BATCH, FRAMES, CHANNELS), np.uint16)
        for row, record in zip(batch, records, strict=True):
            row[:] = record.latents.view(np.uint16)

    return {
        "read a record": _milliseconds(read) / len(order),
        "copy it into a batch": _milliseconds(collate) / BATCH,
        "tokenize its text": _milliseconds(lambda: encode([text] * BATCH, 128)) / BATCH,
    }


def _milliseconds(call: Callable[[], Any]) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "audiogen_jax_latents",
        help="where the random latents are kept",
    )
    results = Path(__file__).parent / "results"
    parser.add_argument("--output", type=Path, default=results / "input-pipeline.json")
    args = parser.parse_args()
    folder = write(args.folder, args.clips)
    base = LatentDataConfig(
        datasets=((str(folder), 1.0),),
        buckets=(10.0,),
        batch_sizes=(BATCH,),
        text_tokenizer=str(NANO / "tokenizer.json"),
    )
    rows = []
    for threads, workers in SETTINGS:
        config = dataclasses.replace(base, num_threads=threads, num_workers=workers)
        rows.append(measure(config, args.seconds, args.repeats))
        print(rows[-1], flush=True)
    best = max(rows, key=lambda row: row["clips_per_second"])
    rate, cores = best["clips_per_second"], len(os.sched_getaffinity(0))
    result = {
        "clip": {"frames": FRAMES, "channels": CHANNELS, "bytes": FRAMES * CHANNELS * 2},
        "clips": args.clips,
        "batch": BATCH,
        "rows": rows,
        "best": best,
        "gigabytes_per_second": rate * FRAMES * CHANNELS * 2 / 1e9,
        "needs": {
            name: {
                "clips_per_second": need,
                "aimed_at": MARGIN * need,
                "measured_over_need": rate / need,
                "reached": rate >= MARGIN * need,
            }
            for name, need in NEEDS.items()
        },
        "milliseconds_per_clip_alone": parts(folder, NANO / "tokenizer.json"),
        # All of them if the processor is the bound.
        "cores_busy": None if best["workers"] else rate * best["cpu_ms_per_clip"] / 1e3,
        **environment(),
    }
    result["hardware"]["cores_used"] = cores
    result["hardware"]["load_average"] = os.getloadavg()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
