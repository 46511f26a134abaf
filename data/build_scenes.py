"""Mixes scenes from manifests of single recordings; see `data.scene_builder`.

    python -m data.build_scenes --out scenes --train 1500 --val 100 --seed 0 \\
        manifests/singles.jsonl synthetic/synthetic.jsonl

Writes `scenes.jsonl`, which holds both splits, and one FLAC per scene. Scene i depends on the seed,
the split, i and the manifests alone. A scene carries the strictest licence of its parts and names
them all.
"""

import argparse
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audiogen_jax.files.audio import write_audio
from audiogen_jax.files.jsonl import read_rows, write_rows
from data import SAMPLE_RATE
from data.build_manifest import summary
from data.scene_builder import CATEGORIES, SceneBuilder


def build_scenes(
    manifests: Sequence[Path], out: Path, split: str, count: int, seed: int, seconds: float
) -> list[dict[str, Any]]:
    """Writes the audio of `count` scenes of one split, categories in turn; returns their rows.

    Raises:
      FileNotFoundError, ValueError: a manifest or clip that is missing or malformed, named.
    """
    rows = [
        {**row, "path": str(manifest.parent / row["path"])}
        for manifest in manifests
        for row in read_rows(manifest)
    ]
    builder = SceneBuilder(rows, split, seconds)
    scenes = []
    for index in range(count):
        rng = np.random.default_rng((seed, ("train", "val").index(split), index))
        scene = builder.build(CATEGORIES[index % len(CATEGORIES)], rng)
        path = f"{split}/{index:05d}.flac"
        write_audio(out / path, scene.samples, SAMPLE_RATE)
        sha256 = hashlib.sha256((out / path).read_bytes()).hexdigest()
        audio_id = f"scenes/{split}/{index:05d}"
        scenes.append({"audio_id": audio_id, "path": path, **scene.row, "sha256": sha256})
    return scenes


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.build_scenes", description=__doc__)
    parser.add_argument("manifests", type=Path, nargs="+", help="of single recordings (jsonl)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the scenes")
    parser.add_argument("--train", type=int, default=1500, help="number of training scenes")
    parser.add_argument("--val", type=int, default=100, help="number of validation scenes")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of every scene")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    try:
        scenes = [
            row
            for split, count in (("train", args.train), ("val", args.val))
            for row in build_scenes(args.manifests, args.out, split, count, args.seed, args.seconds)
        ]
        write_rows(args.out / "scenes.jsonl", scenes)
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    licenses = dict(Counter(row["license"] for row in scenes).most_common())
    print(f"{args.out / 'scenes.jsonl'}: {summary(scenes)}; licences {licenses}")


if __name__ == "__main__":
    main()
