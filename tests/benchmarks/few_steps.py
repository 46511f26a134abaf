"""What a clip costs in few steps: the same clips by a generator and by its form of few, in turns.

From the root of the repository, on an otherwise idle machine (a minute on two cores):

    python -m tests.benchmarks.few_steps

Writes tests/benchmarks/results/few-steps.json: medians of the seconds of a batch of five-second
clips, text to waveform, and of the ratios of turns to the first row.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from tests.benchmarks.sampling import calls

SCENE = StructuredCaption(
    'A man says "seven" while a dog barks in the rain.',
    speech="a man speaking",
    asr="seven",
    sfx="a dog barking",
    env="rain falling",
)
ROWS: Mapping[str, SamplingOptions] = {
    "euler 25": SamplingOptions(25),
    "unipc 4": SamplingOptions(4, solver="unipc", schedule="logistic"),
    "few steps 4": SamplingOptions(4),
    "few steps 8": SamplingOptions(8),
}
"""How clips are made, the reference first; few steps are those of the form for them."""
SECONDS = 5.0


def measure(pipeline: Pipeline, batch: int, repeats: int, seconds: float = SECONDS) -> dict:
    """Times of one batch of clips.

    Args:
      pipeline: with a form of few steps.
      batch: clips.
      repeats: turns; one more goes before them, which compiles.
      seconds: of every clip.

    Raises:
      ValueError: it has no such form.
    """
    if pipeline.for_options(ROWS["few steps 4"]) is pipeline:
        raise ValueError("the checkpoint has no form of few steps (few_steps.safetensors)")
    turns: dict[str, list[float]] = {name: [] for name in ROWS}
    for turn in range(repeats + 1):
        for name, options in ROWS.items():
            start = time.perf_counter()
            pipeline.generate(
                [SCENE] * batch,
                seed=turn,
                steps=options.steps,
                solver=options.solver,
                schedule=options.schedule,
                duration=seconds,
            )
            turns[name].append(time.perf_counter() - start)
    reference = turns["euler 25"][1:]
    return {
        name: {
            "calls": calls(pipeline, ROWS[name]),
            "seconds": round(statistics.median(times[1:]), 4),
            "ratio": round(
                statistics.median(
                    mine / theirs for mine, theirs in zip(times[1:], reference, strict=True)
                ),
                4,
            ),
        }
        for name, times in turns.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default="nano")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    pipeline = Pipeline.load(arguments.checkpoint)
    results = {
        "clip_seconds": SECONDS,
        "repeats": arguments.repeats,
        "batches": {size: measure(pipeline, size, arguments.repeats) for size in (1, 8)},
        **environment(),
    }
    target = Path(__file__).parent / "results" / "few-steps.json"
    target.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results["batches"], indent=2))


if __name__ == "__main__":
    main()
