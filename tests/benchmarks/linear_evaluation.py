"""Heads of all tasks, folds and seeds trained together, against the same step in a plain loop.

The embeddings are random, in the shapes of the 20 tasks of X-ARES that have a linear head: their
classes, batches, epochs, losses and folds, and the width of the embedded model's encoder. Clips are
fewer. (ASR's head needs Qwen2.5-0.5B; the perceptrons of Clotho's are seconds of matrix products a
step, which nothing around them slows.) Both sides validate every epoch by the same metrics and keep
the best; both are compiled before.

From the root of the repository (about 5 minutes on an idle core):

    python -m tests.benchmarks.linear_evaluation

Writes tests/benchmarks/results/linear-evaluation.json.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audiogen_jax.evaluate.linear_evaluation.examples import Examples
from audiogen_jax.evaluate.linear_evaluation.head import (
    ADAM,
    head_logits,
    init_head,
    learning_rate,
    update,
)
from audiogen_jax.evaluate.linear_evaluation.measure import scorer
from audiogen_jax.evaluate.linear_evaluation.splits import folds_of
from audiogen_jax.evaluate.linear_evaluation.tasks import XARES, Given, Task
from audiogen_jax.evaluate.linear_evaluation.training import (
    ItemLogits,
    Outcome,
    Run,
    train_heads,
)
from audiogen_jax.evaluate.protocol import environment

WIDTH = 128
FRAME_RATE = 25.0
FRAMES = 50
"""Of a clip of frame tasks."""
TASKS = [task for task in XARES if task.level in ("clip", "frame")]


def cached(task: Task, clips: int, seed: int) -> Examples:
    """Embeddings of a task, its classes as centres in noise."""
    rng = np.random.default_rng(seed)
    length = FRAMES if task.level == "frame" else 1
    count, given = len(task.splits.files), isinstance(task.splits, Given)
    parts = 4 if given else count
    clips = max(clips, parts * task.classes) if task.binary else clips
    labels = rng.integers(task.classes, size=clips * length)
    labels[::length] = np.arange(clips) % task.classes if task.binary else labels[::length]
    centres = rng.normal(size=(task.classes, WIDTH))
    vectors = centres[labels] + 2 * rng.normal(size=(len(labels), WIDTH))
    targets = labels.astype(np.int32)
    if task.binary:
        targets = np.eye(task.classes, dtype=np.int8)[labels]
    # Half of the clips train where splits are given; each of them has clips of all classes to rank.
    splits = np.arange(clips) // (task.classes if task.binary else 1) % parts
    if given:
        splits = np.array([0, min(1, count - 1), 0, count - 1])[splits]
    return Examples(
        vectors.astype(np.float32), np.full(clips, length), targets,
        tuple(map(str, range(task.classes))), splits, np.arange(clips),
    )  # fmt: skip


def all_runs(clips: int, seeds: Sequence[int]) -> list[Run]:
    """Heads of all tasks, folds and seeds."""
    runs = []
    for number, task in enumerate(TASKS):
        examples = cached(task, clips, number)
        score = scorer(task, examples, "paper", FRAME_RATE)
        runs += [
            Run(examples, fold, seed, task.epochs, task.batch, score, task.positive_weight)
            for seed in seeds
            for fold in folds_of(task, examples, "paper")
        ]
    return runs


class Loop:
    """One head after the other, one step after the other."""

    def __init__(self):
        self._step = jax.jit(update)
        self._logits = jax.jit(head_logits)

    def train(self, run: Run) -> Outcome:
        """The head that `train_heads` makes of this run."""
        data, rng = run.examples, np.random.default_rng(run.seed)
        classes, length = len(data.classes), int(data.lengths[0])
        head = init_head(rng, WIDTH, classes, classes)
        state, known = ADAM.init(head), np.ones(classes, bool)
        best: Outcome | None = None
        for epoch in range(run.epochs):
            rate = jnp.float32(learning_rate(epoch, run.epochs))
            order = rng.permutation(run.fold.train)
            for start in range(0, len(order), run.batch):
                rows = self._rows(order[start : start + run.batch], length)
                weights = np.zeros(run.width, np.float32)
                weights[: len(rows)] = 1
                rows = np.pad(rows, (0, run.width - len(rows)))  # one shape for the last batch too
                head, state = self._step(
                    head, state, data.vectors[rows], data.targets[rows], weights, rate, known,
                    np.float32(run.positive_weight),
                )  # fmt: skip
            score = run.score(self._of(head, data, run.fold.valid, length))
            if best is None or score > best.valid:
                best = Outcome(epoch, score, self._of(head, data, run.fold.test, length))
        assert best is not None
        return best

    def _of(self, head, data: Examples, items: np.ndarray, length: int) -> ItemLogits:
        rows = self._rows(items, length)
        return ItemLogits(np.asarray(self._logits(head, data.vectors[rows])), data.lengths[items],
                          items)  # fmt: skip

    @staticmethod
    def _rows(items: np.ndarray, length: int) -> np.ndarray:
        return (items[:, None] * length + np.arange(length)).ravel()


def measure(clips: int, seeds: Sequence[int], rounds: int) -> dict[str, Any]:
    """Seconds of both sides, in turns, of heads of clips and of heads of frames."""
    everything, loop = all_runs(clips, seeds), Loop()
    levels = {
        "clips": [run for run in everything if run.examples.lengths.max() == 1],
        "frames": [run for run in everything if run.examples.lengths.max() > 1],
    }
    for run in {id(run.examples): run for run in everything}.values():  # compiles
        loop.train(dataclasses.replace(run, epochs=1))
    result: dict[str, Any] = {
        "tasks": len(TASKS), "heads": len(everything), "seeds": len(seeds),
        "clips_of_a_task": clips, "frames_of_a_clip": FRAMES, "width": WIDTH,
    }  # fmt: skip
    for level, runs in levels.items():
        train_heads(runs)  # compiles: epochs decide who is trained together
        together, one_by_one, worst, same = [], [], 0.0, []
        for _ in range(rounds):
            start = time.perf_counter()
            outcomes = train_heads(runs)
            together.append(time.perf_counter() - start)
            start = time.perf_counter()
            others = [loop.train(run) for run in runs]
            one_by_one.append(time.perf_counter() - start)
            print(f"{level}: {together[-1]:.2f} s, loop {one_by_one[-1]:.2f} s", flush=True)
        for a, b in zip(outcomes, others, strict=True):
            same.append(a.epoch == b.epoch)
            if same[-1]:
                worst = max(worst, float(np.abs(a.test.values - b.test.values).max()))
        result[level] = {
            "heads": len(runs),
            "together_s": together,
            "loop_s": one_by_one,
            "speedup": float(np.median(one_by_one) / np.median(together)),
            "share_of_heads_with_the_same_best_epoch": float(np.mean(same)),
            "largest_difference_of_their_logits": worst,
        }
    sides = ("loop_s", "together_s")
    loops, batched = (sum(np.median(result[level][side]) for level in levels) for side in sides)
    return result | {"speedup": float(loops / batched), **environment()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=400, help="of a task, at least 2 of a class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    result = measure(arguments.clips, range(arguments.seeds), arguments.rounds)
    path = Path(__file__).parent / "results" / "linear-evaluation.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    faster = {name: round(result[name]["speedup"], 1) for name in ("clips", "frames")}
    print(f"{result['heads']} heads: {result['speedup']:.1f} times faster together, {faster}")


if __name__ == "__main__":
    main()
