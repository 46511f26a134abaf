"""Scenes per second that one core mixes while a training runs.

The recordings of a manifest, decoded once and kept in memory, become scenes of 2 and of 5 seconds
(`SceneMixer.draw`), beside reading one clip of such a bucket (a crop and padding). Then whole
batches with tokens are drawn from the pipeline of a training, half of whose clips are scenes, and
none. All in one thread, in turns; on an otherwise idle machine, from the root of the repository
(about a minute):

    python -m tests.benchmarks.scene_mixing datasets/manifests/singles.jsonl

Writes tests/benchmarks/results/scene-mixing.json.
"""

import argparse
import dataclasses
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from audiogen_jax.checkpoints.locate import NANO
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.input.audio_batches import DataConfig, make_iterator
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.crop_pad import crop_window, pad_to
from audiogen_jax.input.manifest import read_manifest
from audiogen_jax.input.scenes.config import SceneConfig
from audiogen_jax.input.scenes.library import SceneLibrary
from audiogen_jax.input.scenes.mixer import SceneMixer

RATE = 16000
SECONDS = (2.0, 5.0)
BATCH = 16


def ways(manifest: Path) -> dict[str, Callable[[int], object]]:
    """Name -> what makes the clip of a number."""
    clips = [clip for clip in read_manifest(manifest) if clip.split == "train"]
    cache = AudioCache(RATE, 4 << 30)
    config = SceneConfig(weight=1.0, buckets=(1.0,), manifests=((str(manifest), 1.0),))
    mixer = SceneMixer(config, SceneLibrary([(clips, 1.0)]), cache)
    found: dict[str, Callable[[int], object]] = {}
    for seconds in SECONDS:
        length = round(seconds * RATE)

        def mix(number: int, seconds: float = seconds) -> object:
            return mixer.draw(0.5, seconds, np.random.default_rng(number))

        def read(number: int, length: int = length) -> object:
            rng = np.random.default_rng(number)
            clip = clips[int(rng.integers(len(clips)))]
            window = crop_window(cache.load(clip.path, clip.member), length, "loud", rng)
            return pad_to(window, length, 0.0)

        found[f"mixed while it runs, {seconds:g} s"] = mix
        found[f"one clip read, {seconds:g} s"] = read
    return found


def batches(manifest: Path) -> dict[str, Callable[[int], object]]:
    """Name -> what draws the next batch of a training."""
    config = DataConfig(
        manifests=((str(manifest), 1.0),),
        buckets=(5.0,),
        batch_sizes=(BATCH,),
        text_tokenizer=str(NANO / "tokenizer.json"),
        num_threads=1,
        holdout=0.0,
    )
    scenes = SceneConfig(weight=1.0, buckets=(1.0,), manifests=config.manifests)
    with_scenes = make_iterator(dataclasses.replace(config, scenes=scenes))
    without = make_iterator(config)
    return {
        "batches, half of them scenes": lambda _: next(with_scenes),
        "batches of clips alone": lambda _: next(without),
    }


def measure(
    ways: dict[str, Callable[[int], object]], warm: int, count: int, repeats: int, clips: int
) -> dict[str, dict[str, object]]:
    """Clips/s of each way, measured in turns."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for make in ways.values():
        for number in range(warm):
            make(number)
    for repeat in range(repeats):
        for name, make in ways.items():
            start = time.process_time()
            for number in range(repeat * count, (repeat + 1) * count):
                make(number)
            rates[name].append(count * clips / (time.process_time() - start))
    return {
        name: {"clips_per_second_and_core": statistics.median(all), "all": all}
        for name, all in rates.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path, help="of single recordings (jsonl)")
    parser.add_argument("--scenes", type=int, default=100, help="of each repeat")
    parser.add_argument("--repeats", type=int, default=5)
    results = Path(__file__).parent / "results"
    parser.add_argument("--output", type=Path, default=results / "scene-mixing.json")
    args = parser.parse_args()
    rows = measure(ways(args.manifest), 400, args.scenes, args.repeats, 1)
    rows |= measure(batches(args.manifest), 30, 10, args.repeats, BATCH)
    rate = {name: row["clips_per_second_and_core"] for name, row in rows.items()}
    ratios = {}
    for seconds in SECONDS:
        mixed = rate[f"mixed while it runs, {seconds:g} s"]
        read = rate[f"one clip read, {seconds:g} s"]
        ratios[f"mixed / one clip read, {seconds:g} s"] = mixed / read
    half, alone = (
        rate[name] for name in ("batches, half of them scenes", "batches of clips alone")
    )
    ratios["batches, half of them scenes / of clips alone"] = half / alone
    result = {"rows": rows, "ratios": ratios, **environment()}
    result["hardware"]["load_average"] = os.getloadavg()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
