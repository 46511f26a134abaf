"""Trains many heads at once: tasks, folds and seeds whose batches have one shape are one program.

Heads are the rows of a vmap; what is smaller is padded by masks that change no head. Vectors are
not copied for each head: a batch is a list of rows of those of the group.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.evaluate.linear_evaluation.examples import Examples
from audiogen_jax.evaluate.linear_evaluation.head import (
    ADAM,
    Head,
    head_logits,
    init_head,
    learning_rate,
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
    outcomes: dict[int, Outcome] = {}
    for numbers in groups.values():
        trained = _train_group([runs[number] for number in numbers])
        outcomes |= dict(zip(numbers, trained, strict=True))
    return [outcomes[number] for number in range(len(runs))]


def _shape(run: Run) -> tuple:
    """What runs share that are trained together; sizes to the next power of two."""
    sizes = (len(run.examples.classes), run.steps, run.width)
    return (run.examples.targets.ndim, run.epochs, *(max(8, _power(size)) for size in sizes))


def _power(size: int) -> int:
    return 1 << (size - 1).bit_length()


class _Table(NamedTuple):
    """Vectors and targets of all tasks of a group; the last row is zero."""

    vectors: Float[np.ndarray, "r d"]
    targets: Int[np.ndarray, "r ..."]
    first: dict[int, int]

    @classmethod
    def of(cls, runs: Sequence[Run], columns: int) -> "_Table":
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
        return cls(np.concatenate(vectors), np.concatenate(targets), first)

    def rows(
        self, run: Run, items: Int[np.ndarray, " n"]
    ) -> tuple[Int[np.ndarray, " r"], Int[np.ndarray, " n"]]:
        """Rows of some items, one item after the other, and how many each has.

        Where padding counts, the zero row fills them up to the longest.
        """
        first = self.first[id(run.examples)] + run.examples.starts[items]
        lengths = run.examples.lengths[items]
        longest = int(lengths.max())
        if longest == 1:
            return first, lengths
        frames = np.arange(longest)
        rows = np.where(frames < lengths[:, None], first[:, None] + frames, len(self.vectors) - 1)
        if run.padding_counts:
            return rows.ravel(), np.full(len(items), longest)
        return rows[frames < lengths[:, None]], lengths

    def scored(self, run: Run, items: Int[np.ndarray, " n"]) -> "_Scored":
        """Rows of items that are scored, in batches of a step as padding depends on these."""
        if run.examples.lengths.max() == 1:
            return _Scored(*self.rows(run, items), items)
        starts = range(0, len(items), run.batch)
        batches = [self.rows(run, items[start : start + run.batch]) for start in starts]
        rows, lengths = zip(*batches, strict=True)
        return _Scored(np.concatenate(rows), np.concatenate(lengths), items)


class _Scored(NamedTuple):
    """Items with their rows of a table."""

    rows: Int[np.ndarray, " r"]
    lengths: Int[np.ndarray, " n"]
    items: Int[np.ndarray, " n"]


def _train_group(runs: Sequence[Run]) -> list[Outcome]:
    columns = max(len(run.examples.classes) for run in runs)
    steps, width = max(run.steps for run in runs), max(run.width for run in runs)
    table = _Table.of(runs, columns)
    vectors, targets = jnp.asarray(table.vectors), jnp.asarray(table.targets)
    rngs = [np.random.default_rng(run.seed) for run in runs]
    heads: Head = jax.tree.map(
        lambda *leaves: jnp.stack(leaves),
        *(
            init_head(rng, vectors.shape[1], len(run.examples.classes), columns)
            for run, rng in zip(runs, rngs, strict=True)
        ),
    )
    states = jax.vmap(ADAM.init)(heads)
    known = np.array([np.arange(columns) < len(run.examples.classes) for run in runs])
    weights_of_positives = np.array([run.positive_weight for run in runs], np.float32)
    valid = [table.scored(run, run.fold.valid) for run in runs]
    test = [table.scored(run, run.fold.test) for run in runs]
    chooses = _index([each.rows for each in valid])
    best, best_scores, best_epochs = heads, np.full(len(runs), -np.inf), np.zeros(len(runs), int)
    epochs = runs[0].epochs
    for epoch in range(epochs):
        index, weights = _batches(table, runs, rngs, steps, width)
        rate = jnp.float32(learning_rate(epoch, epochs))
        heads, states = _epoch(
            heads, states, vectors, targets, index, weights, rate, known, weights_of_positives,
            gaps=any(run.steps < steps for run in runs),
        )  # fmt: skip
        logits = _logits(heads, vectors, chooses, valid, runs)
        scores = np.array([run.score(each) for run, each in zip(runs, logits, strict=True)])
        better = scores > best_scores
        best = _chosen(better, heads, best)
        best_scores = np.where(better, scores, best_scores)
        best_epochs = np.where(better, epoch, best_epochs)
    logits = _logits(best, vectors, _index([each.rows for each in test]), test, runs)
    return [
        Outcome(int(epoch), float(score), each)
        for epoch, score, each in zip(best_epochs, best_scores, logits, strict=True)
    ]


@jax.jit
def _chosen(better: Bool[Array, " h"], new: Head, old: Head) -> Head:
    return jax.tree.map(
        lambda a, b: jnp.where(jnp.expand_dims(better, range(1, a.ndim)), a, b), new, old
    )


@functools.partial(jax.jit, static_argnames="gaps")
def _epoch(
    heads: Head,
    states: optax.OptState,
    vectors: Float[Array, "r d"],
    targets: Int[Array, "r ..."],
    index: Int[Array, "h s b"],
    weights: Float[Array, "h s b"],
    rate: Float[Array, ""],
    known: Bool[Array, "h c"],
    positive_weight: Float[Array, " h"],
    gaps: bool,
) -> tuple[Head, optax.OptState]:
    """All steps of an epoch of all heads, of which some have fewer if there are gaps."""

    def alone(head, state, index, weights, known, positive_weight):
        def step(carry, batch):
            (head, state), (rows, weight) = carry, batch
            batch = (vectors[rows], targets[rows], weight)
            stepped = update(head, state, *batch, rate, known, positive_weight)
            if gaps:  # a batch that weighs nothing is no step
                counts = weight.sum() > 0
                stepped = jax.tree.map(lambda a, b: jnp.where(counts, a, b), stepped, carry)
            return stepped, None

        return jax.lax.scan(step, (head, state), (index, weights))[0]

    return jax.vmap(alone)(heads, states, index, weights, known, positive_weight)


@jax.jit
def _logits_of_rows(
    heads: Head, vectors: Float[Array, "r d"], rows: Int[Array, "h n"]
) -> Float[Array, "h n c"]:
    return jax.vmap(lambda head, rows: head_logits(head, vectors[rows]))(heads, rows)


def _logits(
    heads: Head,
    vectors: Float[Array, "r d"],
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
        np.asarray(_logits_of_rows(heads, vectors, padded[:, start : start + size]))
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
    table: _Table, runs: Sequence[Run], rngs: Sequence[np.random.Generator], steps: int, width: int
) -> tuple[Int[np.ndarray, "h s b"], Float[np.ndarray, "h s b"]]:
    """Rows of every step of an epoch, in an order that each run draws, and 1 where there are."""
    index = np.full((len(runs), steps, width), len(table.vectors) - 1, np.int32)
    weights = np.zeros(index.shape, np.float32)
    for number, (run, rng) in enumerate(zip(runs, rngs, strict=True)):
        order, lengths = rng.permutation(run.fold.train), run.examples.lengths
        if lengths.min() == lengths.max():  # all at once
            rows, _ = table.rows(run, order)
            batch = min(run.batch, len(order)) * int(lengths[0])
            empty = (0, run.steps * batch - len(rows))
            index[number, : run.steps, :batch] = np.pad(
                rows, empty, constant_values=len(table.vectors) - 1
            ).reshape(-1, batch)
            weights[number, : run.steps, :batch] = np.pad(
                np.ones(len(rows), np.float32), empty
            ).reshape(-1, batch)
            continue
        for step in range(run.steps):
            rows, _ = table.rows(run, order[step * run.batch : (step + 1) * run.batch])
            index[number, step, : len(rows)] = rows
            weights[number, step, : len(rows)] = 1
    return index, weights


def _index(lists: Sequence[Int[np.ndarray, " n"]]) -> Int[np.ndarray, "h n"]:
    longest = max(map(len, lists))
    return np.stack([np.pad(rows, (0, longest - len(rows))) for rows in lists]).astype(np.int32)
