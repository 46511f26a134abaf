"""Calls of the velocity against error, for every solver and schedule, on the embedded model.

The error is the relative L2 distance of the latents from those of 400 midpoint steps, the mean of
16 clips with guidance 5, in float32. The question: how few calls reach the error of 25 Euler steps?

From the root of the repository (about 8 minutes on 2 idle cores; 1 minute with --clips 2):

    python -m tests.benchmarks.solvers

Writes tests/benchmarks/results/solvers.json.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from audiogen_jax.checkpoints.registry import load_generator
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.files.fingerprint import checkpoint_sha256
from audiogen_jax.flow.schedules import SCHEDULES
from audiogen_jax.flow.solvers import SOLVERS, Plan
from audiogen_jax.types import Latents
from tests.benchmarks.nano_clips import GUIDANCE, Clips, compiled_velocity, nano_clips

CALLS = (4, 6, 8, 10, 12, 16, 20, 25, 32, 50)
REFERENCE = ("midpoint", "sway", 400)
TARGET = ("euler", "sway", 25)


def integrate(velocity: Callable, clips: Clips, plan: Plan) -> Latents:
    """Noise to latents, step by step: one compiled velocity serves plans of any length."""
    x, memory = clips.noise, plan.memory(clips.noise)
    for levels, coefficients in zip(plan.evaluations, plan.coefficients, strict=True):
        x, memory = plan.advance(
            lambda x, stage, levels=levels: velocity(x, levels[stage]), x, memory, coefficients
        )
    return x


def measure(count: int) -> dict[str, Any]:
    """Curves of all solvers on all schedules, and the fewest calls that reach the target."""
    loaded = load_generator("nano", dtype=np.float32, param_dtype=np.float32)
    clips = nano_clips(loaded, count)
    velocity = compiled_velocity(loaded, clips)
    solver, schedule, steps = REFERENCE
    exact = integrate(velocity, clips, SOLVERS[solver](SCHEDULES[schedule](steps)))
    curves: dict[str, dict[int, float]] = {}
    for solver in SOLVERS:
        for schedule in SCHEDULES:
            curve = curves.setdefault(f"{solver} {schedule}", {})
            per_step = SOLVERS[solver](SCHEDULES[schedule](1)).calls
            for calls in CALLS:
                if calls % per_step:
                    continue
                plan = SOLVERS[solver](SCHEDULES[schedule](calls // per_step))
                errors = clips.errors(integrate(velocity, clips, plan), exact)
                curve[calls] = float(np.mean(errors))
            print(f"{solver} {schedule}:", {k: round(v, 4) for k, v in curve.items()}, flush=True)
    solver, schedule, steps = TARGET
    target = curves[f"{solver} {schedule}"][steps]
    fewest = {
        name: min((calls for calls, error in curve.items() if error <= target), default=None)
        for name, curve in curves.items()
    }
    return {
        "clips": count,
        "guidance": GUIDANCE,
        "reference": " ".join(map(str, REFERENCE)),
        "mean_relative_error": curves,
        "target": {" ".join(map(str, TARGET)): target},
        "fewest_calls_to_target": fewest,
        "checkpoint_sha256": checkpoint_sha256(*loaded.folders),
        **environment(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=16, help="at most 16")
    folder = Path(__file__).parent / "results"
    parser.add_argument("--output", type=Path, default=folder / "solvers.json")
    args = parser.parse_args()
    result = measure(args.clips)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print("fewest calls to the error of", result["target"], result["fewest_calls_to_target"])


if __name__ == "__main__":
    main()
