"""Heads that are trained together are those that are trained one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from audiogen_jax.evaluate.linear_evaluation import training
from audiogen_jax.evaluate.linear_evaluation.examples import Examples
from audiogen_jax.evaluate.linear_evaluation.head import (
    ADAM,
    EPSILON,
    Head,
    head_logits,
    init_head,
    learning_rate,
    loss_gradient,
    normalise,
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


def plain_logits(head: Head, vectors):
    normed = jax.nn.standardize(vectors, epsilon=EPSILON)
    return (normed * head.scale + head.shift) @ head.kernel.T + head.bias


def plain_loss(logits, targets, positive_weight):
    if targets.ndim == 1:
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()
    terms = optax.sigmoid_binary_cross_entropy(logits, targets.astype("float32"))
    return (jnp.where(targets > 0, positive_weight, 1) * terms).mean()


@jax.jit
def plain_step(head, state, vectors, targets, rate, positive_weight):
    def loss(head):
        return plain_loss(plain_logits(head, vectors), targets, positive_weight)

    updates, state = ADAM.update(jax.grad(loss)(head), state)
    return jax.tree.map(lambda value, change: value - rate * change, head, updates), state


def in_a_loop(one: Run) -> tuple[int, np.ndarray]:
    """The same head by a step at a time: best epoch, and logits of the test items."""
    data, rng = one.examples, np.random.default_rng(one.seed)
    classes = len(data.classes)
    head = jax.tree.map(jnp.asarray, init_head(rng, data.vectors.shape[1], classes, classes))
    state, best = ADAM.init(head), (-1, -1.0, np.zeros(0))
    for epoch in range(one.epochs):
        order = rng.permutation(one.fold.train)
        for start in range(0, len(order), one.batch):
            items = order[start : start + one.batch]
            rows = np.concatenate(
                [np.arange(data.starts[i], data.starts[i] + data.lengths[i]) for i in items]
            )
            head, state = plain_step(
                head, state, data.vectors[rows], data.targets[rows],
                learning_rate(epoch, one.epochs), one.positive_weight,
            )  # fmt: skip
        logits = np.asarray(plain_logits(head, data.vectors))
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


@pytest.mark.parametrize("binary", [False, True])
def test_a_step_goes_down_the_gradient_of_the_loss_and_padding_changes_nothing(binary):
    head = jax.tree.map(jnp.asarray, init_head(np.random.default_rng(0), 4, 3, 3))
    # Scale 1 and shift 0 would not show a mistake in what they are multiplied by.
    head = head._replace(scale=jnp.array([1.0, -2, 0.5, 3]), shift=jnp.array([0.1, 0, -1, 2]))
    vectors = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 0, 1])
    targets = np.eye(3, dtype=np.int8)[labels] if binary else labels
    state = ADAM.init(head)
    expected = plain_step(head, state, vectors, targets, 0.1, 7.0)

    padded = Head(head.scale, head.shift, *(
        np.pad(each, ((0, 2), *[(0, 0)] * (each.ndim - 1)), constant_values=fill)
        for each, fill in ((head.kernel, 0), (head.bias, -1e30))
    ))  # fmt: skip
    rows = np.pad(vectors, ((0, 3), (0, 0)))
    answers = np.pad(targets, ((0, 3), (0, 2))) if binary else np.pad(targets, (0, 3))
    weights = np.pad(np.full(5, 1 / 15 if binary else 1 / 5, np.float32), (0, 3))
    stepped, moved = update(
        padded, ADAM.init(padded), normalise(rows), answers, weights, jnp.float32(0.1),
        jnp.float32(7),
    )  # fmt: skip
    for name, value, reference in zip(Head._fields, stepped, expected[0], strict=True):
        valid = value[:3] if name in ("kernel", "bias") else value
        np.testing.assert_allclose(valid, reference, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(moved.mu.kernel[:3], expected[1].mu.kernel, atol=1e-7)
    np.testing.assert_array_equal(stepped.kernel[3:], 0)
    np.testing.assert_array_equal(stepped.bias[3:], np.float32(-1e30))


@pytest.mark.parametrize("binary", [False, True])
def test_the_gradient_by_the_logits_is_that_of_optax(binary):
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(6, 4)) * 20, jnp.float32)
    labels = rng.integers(4, size=6)
    targets = np.eye(4, dtype=np.int8)[labels] if binary else labels
    weights = np.full(6, 1 / (24 if binary else 6), np.float32)
    expected = jax.grad(plain_loss)(logits, targets, 10.0)
    gradient = loss_gradient(logits, targets, weights, jnp.float32(10))
    np.testing.assert_allclose(gradient, expected, atol=1e-7)


def test_scale_and_shift_may_go_into_the_kernel():
    head = init_head(np.random.default_rng(0), 8, 3, 3)
    head = head._replace(scale=np.linspace(-1, 2, 8), shift=np.linspace(3, 0, 8))
    vectors = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    np.testing.assert_allclose(
        head_logits(head, normalise(vectors)), plain_logits(head, vectors), atol=1e-5
    )


def test_the_rate_falls_once_an_epoch_and_ends_above_a_tenth():
    rates = [learning_rate(epoch, 10) for epoch in range(10)]
    assert rates[0] == pytest.approx(1e-3) and rates[5] == pytest.approx(5.5e-4)
    assert 1e-4 < rates[9] < 1.3e-4


def test_heads_that_fill_a_core_are_trained_one_by_one(monkeypatch):
    data = examples(3)
    runs = [run(data, seed) for seed in range(3)]
    together = train_heads(runs)
    monkeypatch.setattr(training, "_FILLS_A_CORE", 1)
    for one, other in zip(train_heads(runs), together, strict=True):
        assert one.epoch == other.epoch
        np.testing.assert_allclose(one.test.values, other.test.values, atol=1e-5)


def test_refusals():
    wide = examples(3)
    narrow = Examples(wide.vectors[:, :3], *list(vars(wide).values())[1:])
    with pytest.raises(ValueError, match=r"\[3, 6\] channels"):
        train_heads([run(wide, 0), run(narrow, 0)])
    broken = examples(3)
    broken.vectors[25] = np.nan
    with pytest.raises(ValueError, match="the head of 0, 1, 2, … diverged"):
        train_heads([run(broken, 0)])
