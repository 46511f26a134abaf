"""All that waits for an accelerator, in under nine minutes on one H100 or H200.

Needs jax, flax, optax, orbax and torch, and nothing else of our dependencies. From the root of the
repository, on an otherwise idle machine:

    python -m tests.benchmarks.accelerator --commit $(git rev-parse HEAD)
    python -m tests.benchmarks.accelerator --size small    # a rehearsal on the CPU, a minute

A training step of `base` (its velocity network with AdamW, bfloat16 over float32 parameters, 32
clips of 10 s) with cuDNN's attention and with XLA's, beside a compiled PyTorch step of the same
network; a clip of 10 s (text encoder, 25 guided steps, waveform) at the published size in bfloat16,
alone and eight together, beside the release's way of running it, PyTorch eager in float32; peak
memory, and the time from the start of a process to its first clip, without and with compiled
programs on disk. Weights are random.

Each part is a process of its own with a limit on its time, and writes what it has as it goes: the
result, tests/benchmarks/results/accelerator.json, is rewritten after each.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

RESULT = Path(__file__).parent / "results" / "accelerator.json"
TOTAL_SECONDS = 520.0


class Part(NamedTuple):
    """A process.

    Attributes:
      module: of this folder, which has the function.
      function: takes (size, record).
      seconds: that it may take.
    """

    module: str
    function: str
    seconds: float


PARTS = {
    "train, cuDNN attention": Part("accelerator_jax", "train_cudnn", 95),
    "train, PyTorch compiled": Part("accelerator_torch", "train", 95),
    "train, XLA attention": Part("accelerator_jax", "train_xla", 80),
    "generate": Part("accelerator_jax", "generate", 150),
    "generate, PyTorch eager float32": Part("accelerator_torch", "generate", 70),
    "generate, compiled before": Part("accelerator_jax", "first_clip", 30),
}
RATIOS = {
    "train step: ours with cuDNN / PyTorch": (0, 1, "step_seconds"),
    "train step: ours with XLA / PyTorch": (2, 1, "step_seconds"),
    "train memory: ours with cuDNN / PyTorch": (0, 1, "peak_bytes"),
    "clip alone: ours / release": (3, 4, "batch_1_seconds"),
    "eight clips: ours / release": (3, 4, "batch_8_seconds"),
    "generation memory: ours / release": (3, 4, "peak_bytes"),
    "first clip: ours / release": (3, 4, "first_clip_seconds"),
    "first clip, compiled before: ours / release": (5, 4, "first_clip_seconds"),
}
"""What is divided by what: parts by their place in `PARTS`, and a key of both."""


def run_part(part: Part, size: str, seconds: float, cache: Path) -> dict[str, Any]:
    """Runs one in a process of its own; what it had recorded when it failed or was late too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        command = [sys.executable, "-m", f"tests.benchmarks.{part.module}"]
        command += [part.function, size, str(path)]
        environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
        started, error = time.monotonic(), None
        try:
            done = subprocess.run(
                command, env=environment, stderr=subprocess.PIPE, timeout=seconds, text=True
            )
            if done.returncode:
                error = (done.stderr.strip().splitlines() or ["no message"])[-1]
                sys.stderr.write(done.stderr[-4000:])
        except subprocess.TimeoutExpired:
            error = f"not done after {seconds:.0f} s"
        result = json.loads(path.read_text()) if path.is_file() else {}
    result["process_seconds"] = round(time.monotonic() - started, 1)
    return result if error is None else {**result, "error": error}


def ratios(parts: dict[str, dict[str, Any]]) -> dict[str, float]:
    """What `RATIOS` names, where both sides were measured."""
    names, found = list(PARTS), {}
    for name, (above, below, key) in RATIOS.items():
        values = [parts.get(names[place], {}).get(key) for place in (above, below)]
        if all(values):
            found[name] = values[0] / values[1]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("--commit", help="where there is no git checkout")
    parser.add_argument("--seconds", type=float, default=TOTAL_SECONDS)
    parser.add_argument("--only", action="append", choices=list(PARTS), help="may be repeated")
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()
    started, parts, about = time.monotonic(), {}, {}
    with tempfile.TemporaryDirectory() as cache:
        for name in args.only or PARTS:
            left = args.seconds - (time.monotonic() - started)
            part = PARTS[name]
            if left < 10:
                parts[name] = {"error": "no time was left"}
            else:
                parts[name] = run_part(part, args.size, min(left, part.seconds), Path(cache))
            about = {**about, **parts[name].pop("environment", {})}
            if args.commit:
                about["git_commit"] = args.commit
            result = {
                "size": args.size,
                "ratios": ratios(parts),
                "parts": parts,
                "seconds": round(time.monotonic() - started, 1),
                **about,
            }
            args.output.parent.mkdir(parents=True, exist_ok=True)
            args.output.write_text(json.dumps(result, indent=2) + "\n")
            print(name, json.dumps(parts[name]), flush=True)
    print(json.dumps(result["ratios"], indent=2))


if __name__ == "__main__":
    main()
