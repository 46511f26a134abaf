"""Trains many heads at once: tasks, folds and seeds whose batches have one shape are one program.

Heads are the rows of a vmap; what is smaller is padded by what changes no head. Vectors are
normalised once and not copied for each head: a batch is a list of rows of those of the group.
Programs run in threads. On a CPU, a head whose step fills a core gains nothing from others beside
it in a vmap: each of these has a thread to itself.
"""

import contextlib
import dataclasses
import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from audiogen_jax.evaluate.linear_evaluation.examples import Examples
from audiogen_jax.evaluate.linear_evaluation.head import (
    ADAM,
    Head,
    head_logits,
    init_head,
    learning_rate,
    normalise,
    update,
)
from audiogen_jax.evaluate.linear_evaluation.splits import Fold


class ItemLogits(NamedTuple):
    """Logits of some items.

    Attributes:
      values: the rows of one item after those of another.
      lengths: rows of each.
      items: their numbers.
    """

    values: Float[np.ndarray, "r c"]
    lengths: Int[np.ndarray, " n"]
    items: Int[np.ndarray, " n"]


Score = Callable[[ItemLogits], float]
_MOST_LOGITS = 1 << 24
"""Values of logits that are computed at a time."""
_FILLS_A_CORE = 1 << 19
"""Multiplications of a matrix product that takes far longer than starting it."""
_THREADS = min(4, os.cpu_count() or 1)
"""As many groups have their vectors on the device at a time."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A head to train.

    Attributes:
      examples: of its task.
      fold: of them.
      seed: of parameters and batches.
      epochs: over the training items.
      batch: items of a step.
      score: which epoch is the best, on the validation items.
      positive_weight: see `Task`.
      padding_counts: the zeros that fill the items of a batch up to the longest are classified as
        if they were frames, as X-ARES does.
    """

    examples: Examples
    fold: Fold
    seed: int
    epochs: int
    batch: int
    score: Score
    positive_weight: float = 1.0
    padding_counts: bool = False

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return -(-len(self.fold.train) // self.batch)

    @property
    def width(self) -> int:
        """Most rows of a batch."""
        return min(self.batch, len(self.fold.train)) * int(self.examples.lengths.max())

    @property
    def multiplications(self) -> int:
        """Of a matrix product of a step."""
        return self.width * self.examples.vectors.shape[1] * len(self.examples.classes)


class Outcome(NamedTuple):
    """The best epoch of a run.

    Attributes:
      epoch: from 0; the first of those that are equal.
      valid: its score on the validation items.
      test: logits of the test items.
    """

    epoch: int
    valid: float
    test: ItemLogits


def train_heads(runs: Sequence[Run]) -> list[Outcome]:
    """Trains heads and keeps the best epoch of each.

    A head does not depend on those beside it, to the precision of float32.

    Args:
      runs: of any tasks, on vectors of one width.

    Raises:
      ValueError: vectors of several widths.
    """
    widths = {run.examples.vectors.shape[1] for run in runs}
    if len(widths) > 1:
        raise ValueError(f"vectors of {sorted(widths)} channels: expected one embedder")
    groups: dict[tuple, list[int]] = {}
    for number, run in enumerate(runs):
        groups.setdefault(_shape(run), []).append(number)
    # The longest first, so that the threads end together.
    order = sorted(groups.values(), key=lambda numbers: -sum(_cost(runs[n]) for n in numbers))
    with ThreadPoolExecutor(_THREADS) as managers, ThreadPoolExecutor(_THREADS) as workers:
        trained = managers.map(
            lambda numbers: _train_group([runs[number] for number in numbers], workers), order
        )
        outcomes = {
            number: outcome
            for numbers, group in zip(order, trained, strict=True)
            for number, outcome in zip(numbers, group, strict=True)
        }
    return [outcomes[number] for number in range(len(runs))]


def _cost(run: Run) -> int:
    return run.epochs * run.steps * run.multiplications


def _shape(run: Run) -> tuple:
    """What runs share that are trained together; sizes to the next power of two."""
    sizes = (len(run.examples.classes), run.steps, run.width)
    return (run.examples.targets.ndim, run.epochs, *(max(8, _power(size)) for size in sizes))


def _power(size: int) -> int:
    return 1 << (size - 1).bit_length()


class _Table(NamedTuple):
    """Vectors and targets of all tasks of a group, and the sizes that its programs share.

    Attributes:
      normed: vectors by `normalise`; the last row is zero.
      targets: of each row.
      first: row of each task's examples, by their id.
      columns: most classes.
      steps: most of an epoch.
      width: most rows of a batch.
      compiling: held in a first epoch, so that threads do not compile the same program twice.
    """

    normed: Float[Array, "r d"]
    targets: Int[Array, "r ..."]
    first: dict[int, int]
    columns: int
    steps: int
    width: int
    compiling: threading.Lock

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "_Table":
        columns = max(len(run.examples.classes) for run in runs)
        unique = {id(run.examples): run.examples for run in runs}
        first = dict(
            zip(unique, np.cumsum([0] + [len(e.vectors) for e in unique.values()]), strict=False)
        )
        vectors = [examples.vectors for examples in unique.values()]
        targets = [
            examples.targets
            if examples.targets.ndim == 1
            else np.pad(examples.targets, ((0, 0), (0, columns - examples.targets.shape[1])))
            for examples in unique.values()
        ]
        vectors.append(np.zeros_like(vectors[0][:1]))
        targets.append(np.zeros_like(targets[0][:1]))
        return cls(
            normed=jnp.asarray(normalise(np.concatenate(vectors))),
            targets=jnp.asarray(np.concatenate(targets)),
            first=first,
            columns=columns,
            steps=max(run.steps for run in runs),
            width=max(run.width for run in runs),
            compiling=threading.Lock(),
        )

    @property
    def zero_row(self) -> int:
        """Where a batch or a clip has no row of its own."""
        return len(self.normed) - 1

    def rows(
        self, run: Run, items: Int[np.ndarray, " n"]
    ) -> tuple[Int[np.ndarray, " r"], Int[np.ndarray, " n"]]:
        """Rows of some items, one item after the other, and how many each has.

        Where padding counts, the zero row fills them up to the longest of their batch.
        """
        lengths = run.examples.lengths[items]
        counts = lengths
        if run.padding_counts:
            longest = np.maximum.reduceat(lengths, np.arange(0, len(items), run.batch))
            counts = np.repeat(longest, run.batch)[: len(items)]
        first = self.first[id(run.examples)] + run.examples.starts[items]
        frames = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.repeat(first, counts) + frames
        return np.where(frames < np.repeat(lengths, counts), rows, self.zero_row), counts


class _Scored(NamedTuple):
    """Items with their rows of a table."""

    rows: Int[np.ndarray, " r"]
    lengths: Int[np.ndarray, " n"]
    items: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, table: _Table, run: Run, items: Int[np.ndarray, " n"]) -> "_Scored":
        return cls(*table.rows(run, items), items)


def _train_group(runs: Sequence[Run], workers: ThreadPoolExecutor) -> list[Outcome]:
    table = _Table.of(runs)
    together = [runs]
    largest = max(run.multiplications for run in runs)
    if jax.default_backend() == "cpu" and largest >= _FILLS_A_CORE:
        together = [[run] for run in runs]
    trained = workers.map(functools.partial(_train, table), together)
    return [outcome for outcomes in trained for outcome in outcomes]


def _train(table: _Table, runs: Sequence[Run]) -> list[Outcome]:
    rngs = [np.random.default_rng(run.seed) for run in runs]
    heads: Head = jax.tree.map(
        lambda *leaves: np.stack(leaves),
        *(
            init_head(rng, table.normed.shape[1], len(run.examples.classes), table.columns)
            for run, rng in zip(runs, rngs, strict=True)
        ),
    )
    states = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, leaf.dtype),
        jax.eval_shape(jax.vmap(ADAM.init), heads),
    )
    weights_of_positives = np.array([run.positive_weight for run in runs], np.float32)
    valid = [_Scored.of(table, run, run.fold.valid) for run in runs]
    test = [_Scored.of(table, run, run.fold.test) for run in runs]
    chooses = _index([each.rows for each in valid])
    best = jax.tree.map(np.copy, heads)
    best_scores, best_epochs = np.full(len(runs), -np.inf), np.zeros(len(runs), int)
    epochs = runs[0].epochs
    gaps = any(run.steps < table.steps for run in runs)
    for epoch in range(epochs):
        index, weights = _batches(table, runs, rngs)
        rate = np.float32(learning_rate(epoch, epochs))
        with table.compiling if epoch == 0 else contextlib.nullcontext():
            heads, states = _epoch(
                heads, states, table.normed, table.targets, index, weights, rate,
                weights_of_positives, gaps=gaps,
            )  # fmt: skip
            logits = _logits(heads, table.normed, chooses, valid, runs)
        scores = np.array([run.score(each) for run, each in zip(runs, logits, strict=True)])
        better = scores > best_scores
        for kept, new in zip(best, heads, strict=True):
            kept[better] = np.asarray(new)[better]
        best_scores = np.where(better, scores, best_scores)
        best_epochs = np.where(better, epoch, best_epochs)
    logits = _logits(best, table.normed, _index([each.rows for each in test]), test, runs)
    return [
        Outcome(int(epoch), float(score), each)
        for epoch, score, each in zip(best_epochs, best_scores, logits, strict=True)
    ]


@functools.partial(jax.jit, static_argnames="gaps")
def _epoch(
    heads: Head,
    states: optax.OptState,
    normed: Float[Array, "r d"],
    targets: Int[Array, "r ..."],
    index: Int[Array, "h s b"],
    weights: Float[Array, "h s b"],
    rate: Float[Array, ""],
    positive_weight: Float[Array, " h"],
    gaps: bool,
) -> tuple[Head, optax.OptState]:
    """All steps of an epoch of all heads, of which some have fewer if there are gaps."""

    def alone(arguments):
        head, state, index, weights, positive_weight = arguments

        def step(carry, batch):
            (head, state), (rows, weight) = carry, batch
            batch = (_rows_of(normed, rows), _rows_of(targets, rows), weight)
            stepped = update(head, state, *batch, rate, positive_weight)
            if gaps:  # a batch that weighs nothing is no step
                counts = weight.sum() > 0
                stepped = jax.tree.map(lambda a, b: jnp.where(counts, a, b), stepped, carry)
            return stepped, None

        return jax.lax.scan(step, (head, state), (index, weights))[0]

    # A single head is no batch of products: XLA's kernels for these are far slower on CPUs.
    over = jax.vmap(alone) if len(index) > 1 else functools.partial(jax.lax.map, alone)
    return over((heads, states, index, weights, positive_weight))


@jax.jit
def _logits_of_rows(
    heads: Head, normed: Float[Array, "r d"], rows: Int[Array, "h n"]
) -> Float[Array, "h n c"]:
    return jax.vmap(lambda head, rows: head_logits(head, _rows_of(normed, rows)))(heads, rows)


def _rows_of(values: Array, rows: Int[Array, " n"]) -> Array:
    return values.at[rows].get(mode="promise_in_bounds")


def _logits(
    heads: Head,
    normed: Float[Array, "r d"],
    rows: Int[np.ndarray, "h n"],
    scored: Sequence["_Scored"],
    runs: Sequence[Run],
) -> list[ItemLogits]:
    """Logits of the items of each run, computed in pieces of one shape.

    Raises:
      ValueError: a head diverged, or its vectors are not finite.
    """
    count, total = rows.shape
    size = min(total, max(1, _MOST_LOGITS // (count * heads.bias.shape[1])))
    padded = np.pad(rows, ((0, 0), (0, -total % size)))
    pieces = [
        np.asarray(_logits_of_rows(heads, normed, padded[:, start : start + size]))
        for start in range(0, total, size)
    ]
    logits = np.concatenate(pieces, axis=1) if len(pieces) > 1 else pieces[0]
    items = []
    for each, values, run in zip(scored, logits, runs, strict=True):
        values = values[: len(each.rows), : len(run.examples.classes)]
        if not np.isfinite(values).all():
            raise ValueError(f"the head of {', '.join(run.examples.classes[:3])}, … diverged")
        items.append(ItemLogits(values, each.lengths, each.items))
    return items


def _batches(
    table: _Table, runs: Sequence[Run], rngs: Sequence[np.random.Generator]
) -> tuple[Int[np.ndarray, "h s b"], Float[np.ndarray, "h s b"]]:
    """Rows of every step of an epoch, in an order that each run draws, and their weights.

    The weights of a batch are those of a mean over its rows, and over classes if these are binary.
    """
    index = np.full((len(runs), table.steps, table.width), table.zero_row, np.int32)
    weights = np.zeros(index.shape, np.float32)
    for number, (run, rng) in enumerate(zip(runs, rngs, strict=True)):
        rows, counts = table.rows(run, rng.permutation(run.fold.train))
        counts = np.add.reduceat(counts, np.arange(0, len(counts), run.batch))[:, None]
        filled = np.arange(table.width) < counts
        terms = 1 if run.examples.targets.ndim == 1 else len(run.examples.classes)
        index[number, : run.steps][filled] = rows
        weights[number, : run.steps] = filled / (counts * terms)
    return index, weights


def _index(lists: Sequence[Int[np.ndarray, " n"]]) -> Int[np.ndarray, "h n"]:
    longest = max(map(len, lists))
    return np.stack([np.pad(rows, (0, longest - len(rows))) for rows in lists]).astype(np.int32)
