"""Heads of all tasks, folds and seeds trained together, against plain loops over them.

The embeddings are random, in the shapes of the 20 tasks of X-ARES that have a linear head: their
classes, batches, epochs, losses and folds, and the width of the embedded model's encoder. Clips are
fewer. (ASR's head needs Qwen2.5-0.5B; the perceptrons of Clotho's are seconds of matrix products a
step, which nothing around them slows.) Loops train a head after the other, a jitted step on a
minibatch after the other: once as Flax's examples are written, once on bare arrays with as little
as can be started for a step. All validate every epoch by the same metrics and keep the best. First
runs, which compile, are measured by themselves.

From the root of the repository (about 2 minutes on two cores):

    python -m tests.benchmarks.linear_evaluation

Writes tests/benchmarks/results/linear-evaluation.json.
"""

import argparse
import functools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training.train_state import TrainState
from jaxtyping import Array, Float

from audiogen_jax.evaluate.linear_evaluation.examples import Examples
from audiogen_jax.evaluate.linear_evaluation.head import (
    ADAM,
    EPSILON,
    LEARNING_RATE,
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
Step = Callable[[Any, np.ndarray, np.ndarray, int], Any]
"""The next state, of a state, vectors, targets and the epoch."""
Logits = Callable[[Any, np.ndarray], Array]
"""Of a state and vectors."""
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


class Probe(nn.Module):
    classes: int

    @nn.compact
    def __call__(self, vectors: Float[Array, "b d"]) -> Float[Array, "b c"]:
        normed = nn.LayerNorm(EPSILON, use_fast_variance=False, name="norm")(vectors)
        return nn.Dense(self.classes, name="linear")(normed)


@jax.jit
def flax_step(state: TrainState, vectors, targets, positive_weight) -> tuple[TrainState, Array]:
    def loss(params):
        logits = state.apply_fn({"params": params}, vectors)
        return mean_loss(logits, targets, positive_weight)

    value, gradient = jax.value_and_grad(loss)(state.params)
    return state.apply_gradients(grads=gradient), value


@jax.jit
def flax_logits(state: TrainState, vectors: Float[Array, "b d"]) -> Float[Array, "b c"]:
    return state.apply_fn({"params": state.params}, vectors)


@functools.cache
def flax_parts(classes: int, steps: int, epochs: int) -> tuple[Callable, Any]:
    """The same objects for all runs of a kind, by which jit knows its programs again."""

    def rate(step):
        return LEARNING_RATE * (0.1 + 0.45 * (1 + jnp.cos(jnp.pi * (step // steps) / epochs)))

    return Probe(classes).apply, optax.adam(rate)


def flax_loop(run: Run, head: Head) -> tuple[TrainState, Step, Logits]:
    """As Flax's examples are written: a module, a schedule, a `TrainState`, a loss to look at."""
    apply, adam = flax_parts(len(run.examples.classes), run.steps, run.epochs)
    params = {
        "norm": {"scale": head.scale, "bias": head.shift},
        "linear": {"kernel": head.kernel.T, "bias": head.bias},
    }
    state = TrainState.create(apply_fn=apply, params=jax.tree.map(jnp.asarray, params), tx=adam)

    def step(state, vectors, targets, epoch):
        return flax_step(state, vectors, targets, run.positive_weight)[0]

    return state, step, flax_logits


@jax.jit
def bare_logits(state: tuple[Head, Any], vectors: Float[Array, "b d"]) -> Float[Array, "b c"]:
    head = state[0]
    normed = jax.nn.standardize(vectors, epsilon=EPSILON)
    return (normed * head.scale + head.shift) @ head.kernel.T + head.bias


@jax.jit
def bare_step(state: tuple[Head, Any], vectors, targets, rate, positive_weight):
    head, moments = state

    def loss(head):
        return mean_loss(bare_logits((head, None), vectors), targets, positive_weight)

    updates, moments = ADAM.update(jax.grad(loss)(head), moments)
    return jax.tree.map(lambda value, change: value - rate * change, head, updates), moments


def bare_loop(run: Run, head: Head) -> tuple[tuple[Head, Any], Step, Logits]:
    """As little as can be started for each step: no module, no state, no loss, no schedule."""
    start = jax.tree.map(jnp.asarray, head)
    rates = [learning_rate(epoch, run.epochs) for epoch in range(run.epochs)]

    def step(state, vectors, targets, epoch):
        return bare_step(state, vectors, targets, rates[epoch], run.positive_weight)

    return (start, ADAM.init(start)), step, bare_logits


def mean_loss(logits, targets, positive_weight) -> Float[Array, ""]:
    if targets.ndim == 1:
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()
    terms = optax.sigmoid_binary_cross_entropy(logits, targets.astype(logits.dtype))
    return (jnp.where(targets > 0, positive_weight, 1) * terms).mean()


def train_in_a_loop(run: Run, loop: Callable[[Run, Head], tuple[Any, Step, Logits]]) -> Outcome:
    """The head that `train_heads` makes of this run, one step after the other."""
    data, rng = run.examples, np.random.default_rng(run.seed)
    classes, length = len(data.classes), int(data.lengths[0])
    state, step, logits = loop(run, init_head(rng, data.vectors.shape[1], classes, classes))

    def rows(items: np.ndarray) -> np.ndarray:
        return items if length == 1 else (items[:, None] * length + np.arange(length)).ravel()

    def of(items: np.ndarray) -> ItemLogits:
        values = np.asarray(logits(state, data.vectors[rows(items)]))
        return ItemLogits(values, data.lengths[items], items)

    best: Outcome | None = None
    for epoch in range(run.epochs):
        order = rng.permutation(run.fold.train)
        for start in range(0, len(order), run.batch):
            batch = rows(order[start : start + run.batch])
            state = step(state, data.vectors[batch], data.targets[batch], epoch)
        score = run.score(of(run.fold.valid))
        if best is None or score > best.valid:
            best = Outcome(epoch, score, of(run.fold.test))
    assert best is not None
    return best


def seconds(work: Callable[[], list[Outcome]]) -> tuple[float, float, list[Outcome]]:
    """Of the clock, of all cores, and what was made."""
    start, start_cpu = time.perf_counter(), time.process_time()
    outcomes = work()
    return time.perf_counter() - start, time.process_time() - start_cpu, outcomes


def measure(clips: int, seeds: Sequence[int], rounds: int, width: int) -> dict[str, Any]:
    """Seconds of all sides, in turns."""
    runs = all_runs(clips, seeds, width)
    sides = {
        "flax_loop": lambda: [train_in_a_loop(run, flax_loop) for run in runs],
        "bare_loop": lambda: [train_in_a_loop(run, bare_loop) for run in runs],
        "together": lambda: train_heads(runs),
    }
    first = {side: seconds(work)[0] for side, work in sides.items()}
    took: dict[str, list[float]] = {side: [] for side in sides}
    took_cpu: dict[str, list[float]] = {side: [] for side in sides}
    outcomes: dict[str, list[Outcome]] = {}
    for _ in range(rounds):
        for side, work in sides.items():
            spent, spent_cpu, outcomes[side] = seconds(work)
            took[side].append(spent)
            took_cpu[side].append(spent_cpu)
        print({side: round(spent[-1], 2) for side, spent in took.items()}, flush=True)
    result: dict[str, Any] = {
        "tasks": len(TASKS), "heads": len(runs), "seeds": len(seeds), "clips_of_a_task": clips,
        "frames_of_a_clip": FRAMES, "width": width,
    }  # fmt: skip
    for side in sides:
        result[side] = {"s": took[side], "cpu_s": took_cpu[side], "first_s": first[side]}
        if side == "together":
            continue
        pairs = list(zip(outcomes["together"], outcomes[side], strict=True))
        same = [(a, b) for a, b in pairs if a.epoch == b.epoch]
        result[side] |= {
            "speedup": ratio(took, side),
            "speedup_in_cpu_s": ratio(took_cpu, side),
            "speedup_of_the_first_run": first[side] / first["together"],
            "share_of_heads_with_the_same_best_epoch": len(same) / len(pairs),
            "largest_difference_of_their_logits": float(
                max(np.abs(a.test.values - b.test.values).max() for a, b in same)
            ),
        }
    return result | environment()


def ratio(took: dict[str, list[float]], side: str) -> float:
    return float(np.median(took[side]) / np.median(took["together"]))


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
    faster = {side: round(result[side]["speedup"], 1) for side in ("flax_loop", "bare_loop")}
    print(f"{result['heads']} heads are trained faster together, times: {faster}")


if __name__ == "__main__":
    main()
