"""Heads that are trained together are those that are trained one by one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.evaluate.linear_evaluation.examples import Examples
from audiogen_jax.evaluate.linear_evaluation.head import (
    ADAM,
    head_logits,
    head_loss,
    init_head,
    learning_rate,
    update,
)
from audiogen_jax.evaluate.linear_evaluation.splits import Fold
from audiogen_jax.evaluate.linear_evaluation.training import Run, train_heads

FOLD = Fold(np.arange(0, 24), np.arange(24, 31), np.arange(31, 40))


def examples(classes: int, seed: int = 0, lengths: tuple[int, ...] = (1,) * 40) -> Examples:
    rng = np.random.default_rng(seed)
    rows = sum(lengths)
    labels = rng.integers(classes, size=rows)
    vectors = (rng.normal(size=(classes, 6))[labels] + rng.normal(size=(rows, 6))).astype("float32")
    several = len(lengths) > 0 and max(lengths) > 1
    targets = np.eye(classes, dtype=np.int8)[labels] if several else labels.astype(np.int32)
    names = tuple(map(str, range(classes)))
    items = np.arange(len(lengths))
    return Examples(vectors, np.array(lengths), targets, names, np.zeros(len(lengths), int), items)


def run(data: Examples, seed: int, **changes) -> Run:
    def score(logits):
        rows = np.concatenate(
            [np.arange(data.starts[i], data.starts[i] + data.lengths[i]) for i in logits.items]
        )
        truth = data.targets[rows]
        truth = truth if truth.ndim == 1 else truth.argmax(axis=1)
        counted = logits.values[: len(truth)]
        return float((counted.argmax(axis=1) == truth).mean())

    return Run(data, FOLD, seed, **({"epochs": 3, "batch": 8, "score": score} | changes))


def in_a_loop(one: Run) -> tuple[int, np.ndarray]:
    """The same head by a step at a time: best epoch, and logits of the test items."""
    data, rng = one.examples, np.random.default_rng(one.seed)
    classes = len(data.classes)
    head = init_head(rng, data.vectors.shape[1], classes, classes)
    state, best = ADAM.init(head), (-1, -1.0, np.zeros(0))
    step = jax.jit(update)
    for epoch in range(one.epochs):
        order = rng.permutation(one.fold.train)
        for start in range(0, len(order), one.batch):
            items = order[start : start + one.batch]
            rows = np.concatenate(
                [np.arange(data.starts[i], data.starts[i] + data.lengths[i]) for i in items]
            )
            head, state = step(
                head, state, data.vectors[rows], data.targets[rows], np.ones(len(rows), "float32"),
                jnp.float32(learning_rate(epoch, one.epochs)), np.ones(classes, bool),
                np.float32(one.positive_weight),
            )  # fmt: skip
        logits = np.asarray(head_logits(head, jnp.asarray(data.vectors)))
        ends = np.cumsum(data.lengths)
        rows = [np.arange(ends[i] - data.lengths[i], ends[i]) for i in one.fold.valid]
        picked = logits[np.concatenate(rows)]
        truth = data.targets[np.concatenate(rows)]
        truth = truth if truth.ndim == 1 else truth.argmax(axis=1)
        score = float((picked.argmax(axis=1) == truth).mean())
        if score > best[1]:
            tested = [np.arange(ends[i] - data.lengths[i], ends[i]) for i in one.fold.test]
            best = (epoch, score, logits[np.concatenate(tested)])
    return best[0], best[2]


def test_together_as_in_a_loop():
    few, many = examples(3), examples(7, seed=1)
    runs = [run(few, 0), run(many, 0), run(many, 5), run(few, 1)]
    outcomes = train_heads(runs)
    for one, outcome in zip(runs, outcomes, strict=True):
        epoch, logits = in_a_loop(one)
        assert outcome.epoch == epoch
        np.testing.assert_allclose(outcome.test.values, logits, atol=1e-5)
    # Seeds and tasks are different heads.
    assert not np.allclose(outcomes[1].test.values, outcomes[2].test.values, atol=1e-3)


def test_frames_and_the_binary_loss_too():
    data = examples(3, lengths=tuple([3, 5] * 20))
    one = run(data, 2, positive_weight=10.0)
    (outcome,) = train_heads([one])
    epoch, logits = in_a_loop(one)
    assert outcome.epoch == epoch
    np.testing.assert_allclose(outcome.test.values, logits, atol=1e-5)


def test_padding_of_frames_counts_only_where_it_should():
    data = examples(3, lengths=tuple([3, 5] * 20))
    strict, paper = train_heads([run(data, 0), run(data, 0, padding_counts=True)])
    assert set(strict.test.lengths) == {3, 5}
    assert set(paper.test.lengths) == {5}
    assert not np.allclose(strict.test.values[-5:], paper.test.values[-5:], atol=1e-4)


def test_what_weighs_nothing_changes_nothing_even_if_it_is_nan():
    head = init_head(np.random.default_rng(0), 4, 3, 3)
    vectors = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    labels, known = np.array([0, 1, 2, 0, 1]), np.ones(3, bool)
    padded = np.concatenate([vectors, np.full((3, 4), np.nan, np.float32)])
    weights = np.array([1, 1, 1, 1, 1, 0, 0, 0], np.float32)
    more = np.concatenate([labels, [0, 0, 0]])
    loss = partial(jax.value_and_grad(head_loss), head)
    alone = loss(vectors, labels, weights[:5], known, 1.0)
    beside = loss(padded, more, weights, known, 1.0)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), alone, beside)


def test_the_rate_falls_once_an_epoch_and_ends_above_a_tenth():
    rates = [learning_rate(epoch, 10) for epoch in range(10)]
    assert rates[0] == pytest.approx(1e-3) and rates[5] == pytest.approx(5.5e-4)
    assert 1e-4 < rates[9] < 1.3e-4


def test_refusals():
    wide = examples(3)
    narrow = Examples(wide.vectors[:, :3], *list(vars(wide).values())[1:])
    with pytest.raises(ValueError, match=r"\[3, 6\] channels"):
        train_heads([run(wide, 0), run(narrow, 0)])
    broken = examples(3)
    broken.vectors[25] = np.nan
    with pytest.raises(ValueError, match="the head of 0, 1, 2, … diverged"):
        train_heads([run(broken, 0)])
