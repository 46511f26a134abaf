"""Scores of tasks: heads of all folds and seeds, chance, the majority class, nearest neighbours."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from audiogen_jax.evaluate.linear_evaluation.examples import Examples, Mode
from audiogen_jax.evaluate.linear_evaluation.neighbours import neighbour_votes
from audiogen_jax.evaluate.linear_evaluation.scores import (
    STUDENT,
    Score,
    TaskScore,
    clips_heard_in_training,
    student_interval,
)
from audiogen_jax.evaluate.linear_evaluation.splits import Fold, folds_of
from audiogen_jax.evaluate.linear_evaluation.tasks import Task
from audiogen_jax.evaluate.linear_evaluation.training import (
    ItemLogits,
    Outcome,
    Run,
    train_heads,
)
from audiogen_jax.evaluate.metrics.bootstrap import bootstrap
from audiogen_jax.evaluate.metrics.classification import (
    mean_average_precision,
    right,
    segment_f1,
)


def measure_tasks(
    examples: Mapping[Task, Examples], mode: Mode, seeds: Sequence[int], frame_rate: float
) -> dict[str, TaskScore]:
    """Trains the heads of all tasks, folds and seeds together, and scores them.

    Args:
      examples: of each task of clips or frames, by one embedder.
      mode: see `examples`.
      seeds: of parameters and batches.
      frame_rate: of the embedder, frames per second.

    Returns:
      Scores by the names of the tasks.

    Raises:
      ValueError: no seeds, splits without clips, single classes, or a metric that is not defined.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds {list(seeds)}: expected one or more, all different")
    folds = {task: folds_of(task, each, mode) for task, each in examples.items()}
    scorers = {task: scorer(task, each, mode, frame_rate) for task, each in examples.items()}
    runs, owners = [], []
    for task, each in examples.items():
        padding = mode == "paper" and task.level == "frame"
        for seed in seeds:
            for fold in folds[task]:
                runs.append(
                    Run(each, fold, seed, task.epochs, task.batch, scorers[task],
                        task.positive_weight, padding)
                )  # fmt: skip
                owners.append(task)
    outcomes = train_heads(runs)
    results = {}
    for task, each in examples.items():
        mine = [outcome for outcome, owner in zip(outcomes, owners, strict=True) if owner is task]
        count = len(folds[task])
        by_seed = [mine[start : start + count] for start in range(0, len(mine), count)]
        results[task.name] = _score(task, each, folds[task], scorers[task], by_seed, mode)
    return results


def _score(
    task: Task,
    examples: Examples,
    folds: Sequence[Fold],
    scorer: Callable[[ItemLogits], float],
    by_seed: Sequence[Sequence[Outcome]],
    mode: Mode,
) -> TaskScore:
    scores = [[scorer(outcome.test) for outcome in seed] for seed in by_seed]
    value = float(np.mean(scores))
    clip_scores: list[list[float]] = []
    if task.metric == "accuracy":
        for number in range(len(folds)):
            hits = [right(*_by_clip(examples, seed[number].test, mode)) for seed in by_seed]
            clip_scores.append(np.mean(hits, axis=0).tolist())
        values = [np.array(fold) for fold in clip_scores]
        _, low, high = bootstrap(
            lambda *rows: np.mean(
                [each[drawn].mean(axis=1) for each, drawn in zip(values, rows, strict=True)], axis=0
            ),
            *map(len, values),
            vectorized=True,
        )
        interval = "bootstrap over the clips of each fold, seeds averaged"
    else:
        low, high = student_interval(np.ravel(scores))
        interval = STUDENT
    return TaskScore(
        metric=task.metric,
        score=Score(value, low, high),
        interval=interval,
        chance=1 / len(examples.classes) if task.metric == "accuracy" else None,
        majority=_majority(task, examples, folds, mode),
        neighbours=neighbour_accuracy(task, examples, folds, mode),
        scores=scores,
        best_epochs=[[outcome.epoch for outcome in seed] for seed in by_seed],
        clips=int(sum(len(np.unique(examples.clips[fold.test])) for fold in folds)),
        classes=len(examples.classes),
        clip_scores=clip_scores,
        heard_in_training=clips_heard_in_training(examples, folds),
    )


def scorer(
    task: Task, examples: Examples, mode: Mode, frame_rate: float
) -> Callable[[ItemLogits], float]:
    """The metric of a task, of logits of some items."""
    if task.level == "frame":
        frames = int(np.ceil(task.segment * frame_rate - 1e-9))
        average = "macro" if task.metric == "segment_f1_macro" else "micro"
        return lambda logits: segment_f1(*_frames(examples, logits), frames, average)
    if task.metric == "map":
        return lambda logits: mean_average_precision(*_by_clip(examples, logits, mode))
    return lambda logits: float(right(*_by_clip(examples, logits, mode)).mean())


def _by_clip(
    examples: Examples, logits: ItemLogits, mode: Mode
) -> tuple[Float[np.ndarray, "n c"], np.ndarray]:
    """Logits and targets of each crop in paper mode, of each clip in strict mode."""
    targets = examples.targets[logits.items]
    if mode == "paper":
        return logits.values, targets
    _, first, clip, count = np.unique(
        examples.clips[logits.items], return_index=True, return_inverse=True, return_counts=True
    )
    sums = np.zeros((len(first), logits.values.shape[1]))
    np.add.at(sums, clip, logits.values)
    return sums / count[:, None], targets[first]


def _frames(
    examples: Examples, logits: ItemLogits
) -> tuple[list[Float[np.ndarray, "t c"]], list[np.ndarray]]:
    """Logits and targets of the frames of each item; nothing is active in padding."""
    ends = np.cumsum(logits.lengths)
    predicted = np.split(logits.values, ends[:-1])
    targets = []
    starts = examples.starts
    for item, length in zip(logits.items, logits.lengths, strict=True):
        start = starts[item]
        rows = examples.targets[start : start + examples.lengths[item]]
        padding = ((0, length - len(rows)), (0, 0))
        targets.append(np.pad(rows, padding) if length > len(rows) else rows)
    return predicted, targets


def _majority(task: Task, examples: Examples, folds: Sequence[Fold], mode: Mode) -> float | None:
    if task.level == "frame":
        return None
    if task.metric == "map":
        return float(np.mean([_answers(examples, fold.test, mode).mean() for fold in folds]))
    shares = []
    for fold in folds:
        most = np.bincount(_answers(examples, fold.train, mode)).argmax()
        shares.append(np.mean(_answers(examples, fold.test, mode) == most))
    return float(np.mean(shares))


def _answers(examples: Examples, items: Int[np.ndarray, " n"], mode: Mode) -> np.ndarray:
    """Targets of what is scored: each crop in paper mode, each clip in strict mode."""
    no_logits = ItemLogits(np.zeros((len(items), 1)), np.ones(len(items), int), items)
    return _by_clip(examples, no_logits, mode)[1]


def neighbour_accuracy(
    task: Task, examples: Examples, folds: Sequence[Fold], mode: Mode
) -> float | None:
    """By nearest neighbours, the mean over folds; None where X-ARES has none.

    Args:
      task: what is asked.
      examples: of it.
      folds: of them.
      mode: strict has nothing to choose, so that validation clips are known too.

    Raises:
      ValueError: a fold trains on fewer than 10 items.
    """
    if not task.neighbours:
        return None
    shares = []
    for fold in folds:
        known = fold.train
        if mode == "strict":
            known = np.sort(np.concatenate([fold.train, fold.valid]))
        votes = neighbour_votes(
            examples.vectors[known], examples.targets[known], examples.vectors[fold.test],
            len(examples.classes),
        )  # fmt: skip
        items = ItemLogits(votes, np.ones(len(votes), int), fold.test)
        shares.append(right(*_by_clip(examples, items, mode)).mean())
    return float(np.mean(shares))
