"""Heads of all tasks, folds and seeds trained together, against a plain loop over them.

The embeddings are random, in the shapes of the 20 tasks of X-ARES that have a linear head: their
classes, batches, epochs, losses and folds, and the width of the embedded model's encoder. Clips are
fewer. (ASR's head needs Qwen2.5-0.5B; the perceptrons of Clotho's are seconds of matrix products a
step, which nothing around them slows.) The loop is a head after the other, a jitted step on
minibatches after the other, as one writes it with optax. Both validate every epoch by the same
metrics and keep the best. Their first runs, which compile, are measured by themselves.

From the root of the repository (about 2 minutes on two cores):

    python -m tests.benchmarks.linear_evaluation

Writes tests/benchmarks/results/linear-evaluation.json.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from audiogen_jax.evaluate.linear_evaluation.examples import Examples
from audiogen_jax.evaluate.linear_evaluation.head import (
    ADAM,
    EPSILON,
    Head,
    init_head,
    learning_rate,
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

RESULT = Path(__file__).parent / "results" / "linear-evaluation.json"
FRAME_RATE = 25.0
FRAMES = 50
"""Of a clip of frame tasks."""
TASKS = [task for task in XARES if task.level in ("clip", "frame")]


def cached(task: Task, clips: int, seed: int, width: int) -> Examples:
    """Embeddings of a task, its classes as centres in noise."""
    rng = np.random.default_rng(seed)
    length = FRAMES if task.level == "frame" else 1
    count, given = len(task.splits.files), isinstance(task.splits, Given)
    parts = 4 if given else count
    clips = max(clips, parts * task.classes) if task.binary else clips
    labels = rng.integers(task.classes, size=clips * length)
    labels[::length] = np.arange(clips) % task.classes if task.binary else labels[::length]
    centres = rng.normal(size=(task.classes, width))
    vectors = centres[labels] + 2 * rng.normal(size=(len(labels), width))
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


def all_runs(clips: int, seeds: Sequence[int], width: int) -> list[Run]:
    """Heads of all tasks, folds and seeds."""
    runs = []
    for number, task in enumerate(TASKS):
        examples = cached(task, clips, number, width)
        score = scorer(task, examples, "paper", FRAME_RATE)
        runs += [
            Run(examples, fold, seed, task.epochs, task.batch, score, task.positive_weight)
            for seed in seeds
            for fold in folds_of(task, examples, "paper")
        ]
    return runs


@jax.jit
def plain_logits(head: Head, vectors: Float[Array, "b d"]) -> Float[Array, "b c"]:
    normed = jax.nn.standardize(vectors, epsilon=EPSILON)
    return (normed * head.scale + head.shift) @ head.kernel.T + head.bias


@jax.jit
def plain_step(
    head: Head,
    state: optax.OptState,
    vectors: Float[Array, "b d"],
    targets: Int[Array, "b ..."],
    rate: Float[Array, ""],
    positive_weight: Float[Array, ""],
) -> tuple[Head, optax.OptState]:
    """LayerNorm, Linear, a loss of optax, `jax.grad`, Adam."""

    def loss(head):
        logits = plain_logits(head, vectors)
        if targets.ndim == 1:
            return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()
        terms = optax.sigmoid_binary_cross_entropy(logits, targets.astype(logits.dtype))
        return (jnp.where(targets > 0, positive_weight, 1) * terms).mean()

    updates, state = ADAM.update(jax.grad(loss)(head), state)
    return jax.tree.map(lambda value, change: value - rate * change, head, updates), state


def train_plainly(run: Run) -> Outcome:
    """The head that `train_heads` makes of this run, one step after the other."""
    data, rng = run.examples, np.random.default_rng(run.seed)
    classes, length = len(data.classes), int(data.lengths[0])
    head = jax.tree.map(jnp.asarray, init_head(rng, data.vectors.shape[1], classes, classes))
    state = ADAM.init(head)

    def rows(items: np.ndarray) -> np.ndarray:
        return items if length == 1 else (items[:, None] * length + np.arange(length)).ravel()

    def of(items: np.ndarray) -> ItemLogits:
        logits = np.asarray(plain_logits(head, data.vectors[rows(items)]))
        return ItemLogits(logits, data.lengths[items], items)

    best: Outcome | None = None
    for epoch in range(run.epochs):
        rate = learning_rate(epoch, run.epochs)
        order = rng.permutation(run.fold.train)
        for start in range(0, len(order), run.batch):
            batch = rows(order[start : start + run.batch])
            head, state = plain_step(
                head, state, data.vectors[batch], data.targets[batch], rate, run.positive_weight
            )
        score = run.score(of(run.fold.valid))
        if best is None or score > best.valid:
            best = Outcome(epoch, score, of(run.fold.test))
    assert best is not None
    return best


def seconds(work: Callable[[], list[Outcome]]) -> tuple[float, list[Outcome]]:
    start = time.perf_counter()
    outcomes = work()
    return time.perf_counter() - start, outcomes


def measure(clips: int, seeds: Sequence[int], rounds: int, width: int) -> dict[str, Any]:
    """Seconds of both sides, in turns."""
    runs = all_runs(clips, seeds, width)
    sides = {
        "loop": lambda: [train_plainly(run) for run in runs],
        "together": lambda: train_heads(runs),
    }
    first = {f"first_{side}_s": seconds(work)[0] for side, work in sides.items()}
    took: dict[str, list[float]] = {side: [] for side in sides}
    outcomes: dict[str, list[Outcome]] = {}
    for _ in range(rounds):
        for side, work in sides.items():
            spent, outcomes[side] = seconds(work)
            took[side].append(spent)
        print({side: round(spent[-1], 2) for side, spent in took.items()}, flush=True)
    pairs = list(zip(outcomes["together"], outcomes["loop"], strict=True))
    same = [(a, b) for a, b in pairs if a.epoch == b.epoch]
    return {
        "tasks": len(TASKS), "heads": len(runs), "seeds": len(seeds), "clips_of_a_task": clips,
        "frames_of_a_clip": FRAMES, "width": width, **first,
        **{f"{side}_s": spent for side, spent in took.items()},
        "speedup": float(np.median(took["loop"]) / np.median(took["together"])),
        "speedup_with_compilation": first["first_loop_s"] / first["first_together_s"],
        "share_of_heads_with_the_same_best_epoch": len(same) / len(pairs),
        "largest_difference_of_their_logits": float(
            max(np.abs(a.test.values - b.test.values).max() for a, b in same)
        ),
        **environment(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=400, help="of a task, at least 2 of a class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=128, help="of the embeddings")
    parser.add_argument("--output", type=Path, default=RESULT)
    arguments = parser.parse_args()
    result = measure(arguments.clips, range(arguments.seeds), arguments.rounds, arguments.width)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{result['heads']} heads: {result['speedup']:.1f} times faster together")


if __name__ == "__main__":
    main()
