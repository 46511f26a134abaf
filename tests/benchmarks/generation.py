"""Generation against PyTorch eager: same machine, same run, same weights, in turns.

Both sides have the published width (1536, 24 heads, latents of 1280 channels), random weights and
a depth of choice. A clip is: token ids to a predicted length, 25 guided steps and the waveform.
Before anything is timed both must give the same latents. Each side is a process of its own that
waits while the other runs, pinned to the same number of cores. Clips of 30 s are sampled in one
piece on both sides.

From the root of the repository, on an otherwise idle machine (needs the extra "bench"):

    python -m tests.benchmarks.generation clip                          # about 6 minutes on 2 cores
    python -m tests.benchmarks.generation call                          # 1 minute
    python -m tests.benchmarks.generation call --seconds 30             # 2 minutes
    python -m tests.benchmarks.generation call --batch 8                # 5 minutes
    python -m tests.benchmarks.generation call --batch 8 --seconds 30   # 15 minutes, 12 GB
    python -m tests.benchmarks.generation memory                        # 5 minutes, 7 GB
    python -m tests.benchmarks.generation compile                       # 3 minutes

Results are merged into tests/benchmarks/results/generation-depth4-batch1-10s.json and so on.
"""

import argparse
import json
import os
import statistics
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.side_process import Worker
from tests.benchmarks.workload import Case, parameter_bytes, write_checkpoint

RESULTS = Path(__file__).parent / "results"
TOLERANCE = 1e-4
FEW_STEPS = 2
"""Where the number of steps changes neither memory nor the time to compile."""


def measure_clip(args: argparse.Namespace, case: Case) -> dict[str, Any]:
    """Seconds of whole clips."""
    with _ours(args) as ours, _baseline(args) as baseline:
        agreement = _check_agreement(args, case, ours, baseline)
        ours.run("clip", case, args.steps, args.compat)  # compiles
        pairs = []
        for _ in range(args.repeats):
            pair = (
                ours.run("clip", case, args.steps, args.compat),
                baseline.run("clip", case, args.steps),
            )
            print({name: [round(side[name], 2) for side in pair] for name in ("sample", "decode")})
            pairs.append(pair)
        # Ours keeps the fractions of timesteps, unless compat is "release".
        difference = _error(*(side["latents"] for side in pairs[-1]))
        return {
            "steps": args.steps,
            "compat": args.compat,
            "relative_error_at_few_steps": agreement,
            "relative_difference_of_the_clips": difference,
            "clip": _compare([[s["sample"] + s["decode"] for s in pair] for pair in pairs]),
            "sample": _compare([[s["sample"] for s in pair] for pair in pairs]),
            "decode": _compare([[s["decode"] for s in pair] for pair in pairs]),
            **_environment(ours),
        }


def measure_call(args: argparse.Namespace, case: Case) -> dict[str, Any]:
    """Seconds of one guided evaluation of the velocity."""
    with _ours(args) as ours, _baseline(args) as baseline:
        agreement = _check_agreement(args, case, ours, baseline)
        pairs = []
        for _ in range(args.repeats):
            pairs.append([side.run("call", case)["call"] for side in (ours, baseline)])
            print(pairs[-1])
        return {
            "relative_error_at_few_steps": agreement,
            "call": _compare(pairs),
            **_environment(ours),
        }


def measure_memory(args: argparse.Namespace, case: Case) -> dict[str, Any]:
    """Peak resident memory of loading and generating, and the parameters the release loads."""
    sizes = parameter_bytes(args.checkpoint)
    total = sum(sizes.values())
    rows = {}

    def record(name: str, worker: Worker) -> None:
        loaded = worker.memory()["peak"]
        worker.run("clip", case, FEW_STEPS)
        used = worker.memory()
        rows[name] = {
            **used,
            "peak_of_loading": loaded,
            "peak_over_parameters": used["peak"] / total,
        }
        rows[name]["load_seconds"] = worker.load_seconds
        print(name, rows[name])

    for dtype, param_dtype in (("fp32", "fp32"), ("fp32", "bf16"), ("bf16", "bf16")):
        with _ours(args, dtype=dtype, param_dtype=param_dtype) as worker:
            record(f"ours, computing in {dtype}, parameters in {param_dtype}", worker)
            found = _environment(worker)
    with _baseline(args) as worker:
        record("torch, fp32", worker)
    return {"parameter_bytes_fp32": {**sizes, "sum": total}, "bytes": rows, **found}


def measure_compile(args: argparse.Namespace, case: Case) -> dict[str, Any]:
    """What the first clip costs above the second: nothing compiled before, and a filled cache.

    Beside compilation that is the reading of weights that are read when first used.
    """
    rows = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("cold", "warm"):
            with _ours(args, cache=Path(cache)) as worker:
                runs = [worker.run("clip", case, FEW_STEPS) for _ in range(2)]
                first, second = (run["sample"] + run["decode"] for run in runs)
                stages = worker.run("compile_seconds")
                rows[name] = {"first_clip_minus_second": first - second, "stages": stages}
                print(name, rows[name])
                found = _environment(worker)
    return {"seconds": rows, **found}


PARTS = {
    "clip": measure_clip,
    "call": measure_call,
    "memory": measure_memory,
    "compile": measure_compile,
}


def _ours(args: argparse.Namespace, **options: Any) -> Worker:
    options = {"dtype": args.dtype, "param_dtype": args.param_dtype, **options}
    return Worker("ours", args.threads, folder=args.checkpoint, **options)


def _baseline(args: argparse.Namespace) -> Worker:
    options = {"device": args.torch_device, "onednn": args.torch_onednn}
    return Worker("torch", args.threads, folder=args.checkpoint, **options)


def _check_agreement(args: argparse.Namespace, case: Case, ours: Worker, baseline: Worker) -> float:
    """The error of our latents at few steps, both following the release; must be small."""
    found = _error(
        ours.run("clip", case, FEW_STEPS, "release")["latents"],
        baseline.run("clip", case, FEW_STEPS)["latents"],
    )
    print(f"relative error of the latents after {FEW_STEPS} steps: {found:.2g}")
    exact = args.dtype == args.param_dtype == "fp32"
    if exact and not found < TOLERANCE:
        raise SystemExit(f"the two sides differ by {found:.2g}: they are not the same network")
    return found


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative L2 distance."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def _compare(pairs: list[list[float]]) -> dict[str, Any]:
    ratio = statistics.median(ours / torch for ours, torch in pairs)
    ours, torch = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {"median_ratio": ratio, "ours": ours, "torch": torch, "pairs": pairs}


def _environment(ours: Worker) -> dict[str, Any]:
    found = ours.run("environment")
    found["versions"]["torch"] = metadata.version("torch")
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found["hardware"]["processor"] = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), None
    )
    found["hardware"]["load_average"] = os.getloadavg()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--depth", type=int, default=4, help="of the velocity network")
    parser.add_argument("--text-layers", type=int, default=24, help="of the text encoder")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of either side")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--param-dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--compat", choices=("release",), help="sample as the release does")
    parser.add_argument("--torch-device", default="cpu")
    parser.add_argument(
        "--torch-onednn", action="store_true", help="torch's linear layers through oneDNN"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        default=Path(tempfile.gettempdir()) / "audiogen_jax_benchmark",
        help="where the random weights are kept (6 GB)",
    )
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    args.checkpoint = write_checkpoint(args.weights, args.depth, args.text_layers)
    case = Case(args.batch, args.seconds)
    name = f"generation-depth{args.depth}-batch{args.batch}-{args.seconds:g}s.json"
    output = args.output or RESULTS / name
    part = args.part
    if part in ("clip", "call") and (args.dtype, args.param_dtype) != ("fp32", "fp32"):
        part = f"{part}, computing in {args.dtype}, parameters in {args.param_dtype}"
    if args.torch_onednn:
        part = f"{part}, torch with oneDNN"
    if args.compat:
        part = f"{part}, compat {args.compat}"
    threads = {"threads": args.threads, "case": vars(case)}
    result = {**PARTS[args.part](args, case), **threads}
    merged = json.loads(output.read_text()) if output.is_file() else {}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({**merged, part: result}, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
