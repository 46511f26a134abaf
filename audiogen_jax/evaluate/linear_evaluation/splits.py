"""Which items train a head, which choose its epoch and which score it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from audiogen_jax.evaluate.leakage import some_of
from audiogen_jax.evaluate.linear_evaluation.examples import Examples, Mode
from audiogen_jax.evaluate.linear_evaluation.tasks import Folds, Given, Task

HELD_OUT = 0.1
"""Of the training clips, where a task's validation split is its test split, in strict mode."""


class Fold(NamedTuple):
    """Numbers of items.

    Attributes:
      train: that a head learns from.
      valid: by which its epoch is chosen.
      test: by which it is scored.
    """

    train: Int[np.ndarray, " n"]
    valid: Int[np.ndarray, " m"]
    test: Int[np.ndarray, " k"]


def folds_of(task: Task, examples: Examples, mode: Mode) -> list[Fold]:
    """The folds of a task, one if its splits are given.

    In paper mode the epoch is chosen on the test fold of a cross-validation, and on the test split
    where the task says so; in strict mode on the next fold, which then trains nothing, or on a
    tenth of the training clips.

    Raises:
      ValueError: a split without items, training items of a single class, or in strict mode fewer
        than three folds, or a sound that is both trained on and tested.
    """
    folds = (
        [_given(task.splits, examples, mode)]
        if isinstance(task.splits, Given)
        else _crossed(task.splits, examples, mode)
    )
    for number, fold in enumerate(folds):
        for name, items in zip(Fold._fields, fold, strict=True):
            if not len(items):
                raise ValueError(f"{task.name}: fold {number} has no {name} clips")
        if not task.binary and len(np.unique(examples.targets[fold.train])) < 2:
            raise ValueError(f"{task.name}: fold {number} trains on a single class")
        if mode == "strict" and len(heard := heard_in_training(examples, fold)):
            names = list(dict.fromkeys(examples.keys[item] for item in heard))
            raise ValueError(
                f"{task.name}: {len(names)} tested clips of fold {number} are trained on too, or "
                f"are cut from recordings that are: {some_of(names)}. Leave them out, give all "
                "clips of a recording the same fold, or take mode=paper, which counts them"
            )
    return folds


def heard_in_training(examples: Examples, fold: Fold) -> Int[np.ndarray, " n"]:
    """Tested items whose samples, or others of the same recording, train the head."""
    if examples.sounds is None:
        return fold.test[:0]
    return fold.test[np.isin(examples.sounds[fold.test], examples.sounds[fold.train])]


def _given(splits: Given, examples: Examples, mode: Mode) -> Fold:
    train, valid, test = (
        np.flatnonzero(examples.splits == splits.files.index(name))
        for name in (splits.train, splits.valid, splits.test)
    )
    if mode == "strict" and splits.valid == splits.test:
        sounds = (examples.clips if examples.sounds is None else examples.sounds)[train]
        known = np.unique(sounds)
        drawn = np.random.default_rng(0).permutation(known)[: max(1, int(HELD_OUT * len(known)))]
        held_out = np.isin(sounds, drawn)
        train, valid = train[~held_out], train[held_out]
    return Fold(train, valid, test)


def _crossed(splits: Folds, examples: Examples, mode: Mode) -> list[Fold]:
    count = len(splits.files)
    least = 3 if mode == "strict" else 2
    if count < least:
        raise ValueError(f"{count} folds: {mode} mode needs {least}, as one of them scores")
    folds = []
    for number in range(count):
        chooses = (number + 1) % count if mode == "strict" else number
        used = np.isin(examples.splits, (number, chooses))
        folds.append(
            Fold(
                np.flatnonzero(~used),
                np.flatnonzero(examples.splits == chooses),
                np.flatnonzero(examples.splits == number),
            )
        )
    return folds
