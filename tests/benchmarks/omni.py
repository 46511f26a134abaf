"""Audio-Omni against PyTorch eager: one machine, one run, the same weights and float32 sums.

Two networks of the published width, random weights, depth four. Of the velocity network: one
guided call, and a clip of ten seconds at guidance 7 (its conditions are given). Of the thinker,
against transformers': reading a prompt of 256 tokens, and 32 tokens of a greedy answer with a
cache. Weights are in files as published: float32 of the network, bfloat16 of the thinker, which
PyTorch widens as it loads them and this package widens then or, its default, as it multiplies
(--param-dtype). Each side is a process of its
own, pinned to the same number of cores; sides take turns. They must make the same.

From the root of the repository, on an otherwise idle machine (needs the extra "bench"):

    python -m tests.benchmarks.omni network                          # 80 minutes on a core
    python -m tests.benchmarks.omni thinker                          # 5 minutes, 12 GB
    python -m tests.benchmarks.omni thinker --param-dtype bfloat16   # 5 minutes, 10 GB

Results are merged into tests/benchmarks/results/omni.json.
"""

import argparse
import dataclasses
import json
import os
import statistics
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from audiogen_jax.evaluate.protocol import environment
from tests.benchmarks.omni_sides import ANSWER, DEPTH, GUIDANCE, PROMPT
from tests.benchmarks.side_process import Worker

RESULT = Path(__file__).parent / "results" / "omni.json"
TOLERANCE = 1e-3
"""Of latents at guidance 7, where float32 sums in another order differ by up to 4e-5 a step."""


def write_network(folder: Path) -> None:
    """The velocity network, and conditioners that take no part."""
    from audiogen_jax.checkpoints.omni_generator import omni_template, save_omni
    from audiogen_jax.models.omni.config import OmniConfig

    config = OmniConfig(depth=DEPTH)
    save_omni(folder, config, _random(omni_template(config)))


def write_thinker(folder: Path) -> None:
    """A thinker of few layers, towers of one."""
    from audiogen_jax.checkpoints.qwen_omni import save_thinker, thinker_template
    from audiogen_jax.models.omni.thinker.config import ThinkerConfig

    sizes = ThinkerConfig()
    config = dataclasses.replace(
        sizes,
        text=dataclasses.replace(sizes.text, num_hidden_layers=DEPTH),
        audio=dataclasses.replace(sizes.audio, encoder_layers=1),
        vision=dataclasses.replace(sizes.vision, depth=1, fullatt_block_indexes=(0,)),
    )
    save_thinker(folder, config, _random(thinker_template(config)), "bfloat16")


def _random(template: Any) -> Any:
    rng = np.random.default_rng(0)

    def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        values = rng.standard_normal(leaf.shape, np.float32)
        values *= 0.1 if len(leaf.shape) < 2 else leaf.shape[-2] ** -0.5
        return values + 1 if path[-1].key == "scale" else values

    return jax.tree_util.tree_map_with_path(draw, template)


def measure_network(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Seconds of a call and of a clip, and the peak of memory of each side."""
    write_network(folder)
    with _side("our network", folder, args) as ours, _side("torch network", folder, args) as theirs:
        sides = {"ours": ours, "theirs": theirs}
        error = _error(*(side.run("sample", 1) for side in sides.values()))
        print(f"relative error {error:.2g}", flush=True)
        calls, clips = [], []
        ours.run("sample", 2)  # compiles, as one step did
        for _ in range(args.repeats):
            calls.append({name: side.run("call") for name, side in sides.items()})
            print(calls[-1], flush=True)
        # Once, as it takes long: ours compiles within it.
        clips.append({n: side.run("seconds_of_clip", args.steps) for n, side in sides.items()})
        print(clips[-1], flush=True)
        peak = {name: side.memory()["peak"] for name, side in sides.items()}
    return {
        "guidance": GUIDANCE,
        "steps": args.steps,
        "relative_error": error,
        "call_seconds": _medians(calls),
        "clip_seconds": _medians(clips),
        "peak_bytes": peak,
    }


def measure_thinker(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Seconds of a prompt and of an answer, and the peak of memory of each side."""
    write_thinker(folder)
    reads, decodes = [], []
    options = {"param_dtype": args.param_dtype}
    with (
        _side("torch thinker", folder, args) as theirs,
        _side("our thinker", folder, args, **options) as ours,
    ):
        sides = {"ours": ours, "theirs": theirs}
        answers = {name: side.run("answer", ANSWER)[1] for name, side in sides.items()}
        if answers["ours"] != answers["theirs"]:
            raise SystemExit(f"the answers differ: {answers}")
        for side in sides.values():
            side.run("answer", 1)
        for _ in range(args.repeats):
            one = {name: side.run("answer", 1)[0] for name, side in sides.items()}
            all_ = {name: side.run("answer", ANSWER)[0] for name, side in sides.items()}
            reads.append(one)
            decodes.append({name: all_[name] - one[name] for name in sides})
            print(reads[-1], decodes[-1], flush=True)
        peak = {name: side.memory()["peak"] for name, side in sides.items()}
    return {
        "param_dtype": args.param_dtype,
        "prompt_tokens": PROMPT,
        "answer_tokens": ANSWER,
        "read_seconds": _medians(reads),
        "decode_seconds": _medians(decodes),
        "peak_bytes": peak,
    }


PARTS = {"network": measure_network, "thinker": measure_thinker}


def _side(name: str, folder: Path, args: argparse.Namespace, **options: str) -> Worker:
    return Worker(name, args.threads, folder=folder, **options)


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    if not error < TOLERANCE:
        raise SystemExit(f"the latents differ by {error:.2g}")
    return error


def _medians(pairs: list[dict[str, float]]) -> dict[str, float]:
    """Of each side, and of their ratios in pairs."""
    rows = {name: statistics.median(pair[name] for pair in pairs) for name in pairs[0]}
    return {**rows, "ratio": statistics.median(pair["ours"] / pair["theirs"] for pair in pairs)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--param-dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row = PARTS[args.part](args, Path(folder))
    row["peak_bytes"]["ratio"] = row["peak_bytes"]["ours"] / row["peak_bytes"]["theirs"]
    row |= {**environment(), "torch": metadata.version("torch"), "cores": args.threads}
    print(json.dumps(row, indent=1))
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {"depth": DEPTH}
    name = args.part if args.part == "network" else f"thinker, {args.param_dtype}"
    RESULT.write_text(json.dumps({**results, name: row}, indent=1) + "\n")


if __name__ == "__main__":
    main()
