"""This checkout against another one, in turns on the same machine: is anything slower?

Rows: clips at the published width (depth 4, 25 guided steps), steps of a training, the first clip
of a process with an empty and with a filled compilation cache, and `audiogen --help`. Each side
runs in processes of its own, from its own tree; all but clips through the command line.

From the root of the repository, on an otherwise idle machine, about 12 minutes on 2 cores:

    git worktree add ../before COMMIT
    python -m tests.benchmarks.commits ../before

Writes tests/benchmarks/results/commits.json; ratios are this checkout over the other.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from audiogen_jax.evaluate.protocol import environment
from tests.benchmarks.workload import write_checkpoint

ROOT = Path(__file__).parents[2]
MAIN = "from audiogen_jax.cli import main; main()"
TEXT_ENCODER = dict(vocab_size=4096, d_model=256, d_kv=64, d_ff=768, num_layers=6, num_heads=4)
WIDTHS = ("content_dim", "task_instruction_dim", "dit_context_dim", "dit_ta_context_dim")
AUDIOGEN = dict(dit_embed_dim=320, dit_num_heads=5) | dict.fromkeys(WIDTHS, 256)
"""What is trained: the embedded generator, whatever the config of a commit says."""
PROMPT = "<|caption|> A dog barks. <|sfx|> a dog barking"
WITHOUT_SCENES = """
from configs import nano_generator

def get_config(arg):
    config = nano_generator.get_config(arg)
    config.data.scenes = None
    return config
"""
"""The config of this checkout; before 0.2 there were no scenes."""
CLIPS = """
import sys
try:
    from tests.benchmarks.audiogen_side import Ours
    from tests.benchmarks.workload import Case
except ImportError:  # before 0.2
    from tests.benchmarks.ours import Ours
    from tests.benchmarks.case import Case
from pathlib import Path
side, case = Ours(Path(sys.argv[1])), Case(seconds=float(sys.argv[2]))
for line in sys.stdin:
    clip = side.clip(case, int(line))
    print("seconds", clip["sample"] + clip["decode"], flush=True)
"""


class Clips:
    """A process of one tree that makes clips when it is told to; a context manager."""

    def __init__(self, tree: Path, checkpoint: Path, seconds: float):
        command = [sys.executable, "-c", CLIPS, str(checkpoint), str(seconds)]
        self._process = subprocess.Popen(
            command, cwd=tree, env=_env(tree), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def __enter__(self) -> "Clips":
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate()

    def seconds(self, steps: int) -> float:
        """Seconds of one clip."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("seconds "):
                return float(line.split()[1])
        raise RuntimeError(f"the process ended with {self._process.wait()}")


def clips(trees: Sequence[Path], weights: Path, repeats: int) -> dict[str, Any]:
    """Whole clips of 10 s at the published width."""
    checkpoint = write_checkpoint(weights, depth=4, text_layers=24)
    with Clips(trees[0], checkpoint, 10.0) as new, Clips(trees[1], checkpoint, 10.0) as old:
        for side in (new, old):
            side.seconds(25)  # compiles
        return _paired([lambda: new.seconds(25), lambda: old.seconds(25)], repeats)


def training(trees: Sequence[Path], folder: Path, repeats: int) -> dict[str, Any]:
    """Seconds a clip in the embedded generator's training on ESC-10 clips, by its own log."""
    clips = ROOT / "tests" / "clips" / "esc10"
    manifest = folder / "clips.jsonl"
    rows = [json.loads(line) for line in (clips / "manifest.jsonl").read_text().splitlines()]
    with manifest.open("w") as file:
        for row in rows:
            for split in ("train", "val"):
                changed = {
                    "path": str(clips / row["path"]),
                    "audio_id": f"{Path(row['path']).stem}-{split}",
                    "split": split,
                }
                file.write(json.dumps(row | changed) + "\n")
    nano = ROOT / "audiogen_jax" / "nano"
    settings = {
        "tokenizer": nano / "tokenizer",
        "data.text_tokenizer": nano / "tokenizer.json",
        "data.manifests": ((str(manifest), 1.0),),
        "data.buckets": (2.0,),
        "data.batch_sizes": (4,),
        "data.max_tokens": (64,),
        "steps": 12,
        "optimizer.warmup_steps": 2,
        "log_every": 2,
        "eval.every": 100,
        "sample_every": 0,
        **{f"model.text_encoder.{name}": value for name, value in TEXT_ENCODER.items()},
        **{f"model.audiogen.{name}": value for name, value in AUDIOGEN.items()},
    }
    new = {"model.audiogen.timeline": False, "data.num_workers": 0}
    alone = folder / "alone.py"
    alone.write_text(WITHOUT_SCENES)

    def measure(side: int) -> float:
        workdir = Path(tempfile.mkdtemp(dir=folder))
        config = (str(alone), "configs/nano_generator.py")[side]
        command = ["train", "--config", config, "--workdir", str(workdir)]
        for name, value in (settings | (new if side == 0 else {})).items():
            command += ["--set", f"{name}={value}"]
        run(trees[side], command)
        logged = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
        rates = [row["speed/clips_per_second"] for row in logged if row["step"] > 4]
        return 1 / statistics.median(rates)

    return _paired([lambda: measure(0), lambda: measure(1)], repeats)


def first_clip(trees: Sequence[Path], folder: Path, repeats: int) -> dict[str, Any]:
    """Seconds of `audiogen generate`: nothing compiled before, and everything."""
    found = {}
    for name in ("empty cache", "filled cache"):

        def measure(side: int, name: str = name) -> float:
            cache = folder / f"cache-{side}"
            if name == "empty cache":
                cache = Path(tempfile.mkdtemp(dir=folder))
            clip = Path(tempfile.mkdtemp(dir=folder)) / "clip.wav"
            command = ["generate", PROMPT, "--duration", "2", "-o", str(clip)]
            return run(trees[side], command, JAX_COMPILATION_CACHE_DIR=str(cache))

        sides = [lambda: measure(0), lambda: measure(1)]
        if name == "filled cache":
            for side in sides:
                side()
        found[name] = _paired(sides, repeats)
    return found


def run(tree: Path, arguments: Sequence[str], **variables: str) -> float:
    """Seconds of a command of one tree."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        cwd=tree, env=_env(tree) | variables, check=True, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - start


def _env(tree: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(tree)}


def _paired(sides: Sequence[Callable[[], float]], repeats: int) -> dict[str, Any]:
    pairs = []
    for repeat in range(repeats):  # each side goes first in turn
        seconds = {side: side() for side in sides[:: 1 - 2 * (repeat % 2)]}
        pairs.append([seconds[side] for side in sides])
    print(pairs, flush=True)
    return {"ratio": statistics.median(new / old for new, old in pairs), "pairs": pairs}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, help="root of another checkout")
    parser.add_argument("--repeats", type=int, default=3)
    weights = Path(tempfile.gettempdir()) / "audiogen_jax_benchmark"
    parser.add_argument("--weights", type=Path, default=weights)
    output = Path(__file__).parent / "results" / "commits.json"
    parser.add_argument("--output", type=Path, default=output)
    args = parser.parse_args()
    trees = ROOT, args.other.absolute()
    commit = ["git", "-C", str(args.other), "rev-parse", "--short", "HEAD"]
    result: dict[str, Any] = {
        "other_commit": subprocess.check_output(commit, text=True).strip(),
        **environment(),
    }
    with tempfile.TemporaryDirectory() as folder:
        result["help"] = _paired(
            [lambda: run(trees[0], ["--help"]), lambda: run(trees[1], ["--help"])],
            3 * args.repeats,
        )
        result["first clip"] = first_clip(trees, Path(folder), args.repeats)
        result["training"] = training(trees, Path(folder), args.repeats)
        result["clips"] = clips(trees, args.weights, args.repeats)
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
