"""What is reported of a task: its score, and what that says."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float

from audiogen_jax.evaluate.linear_evaluation.examples import Examples
from audiogen_jax.evaluate.linear_evaluation.splits import Fold, heard_in_training

STUDENT = "Student's t over seeds and folds"


class Score(NamedTuple):
    """A score with its 95 % interval.

    Attributes:
      value: mean over seeds of the mean over folds.
      low: of the interval; None: there is a single run.
      high: of the interval.
    """

    value: float
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True)
class TaskScore:
    """What was measured of a task.

    Attributes:
      metric: of all values.
      score: with its interval.
      interval: how that was made.
      chance: of a head that knows nothing; None where it is not defined.
      majority: of always saying what is most frequent in training; of mAP, the share of positives.
      neighbours: by nearest neighbours, mean over folds; None where X-ARES has none.
      scores: of each seed, those of its folds.
      best_epochs: of each seed, those of its folds, from 0.
      clips: that are tested.
      classes: of the data; of the published task there may be more.
      clip_scores: of accuracy, share of seeds that are right about each tested clip, fold by fold.
      heard_in_training: tested clips that are trained on too, or cut from a recording that is; none
        in strict mode.
    """

    metric: str
    score: Score
    interval: str
    chance: float | None
    majority: float | None
    neighbours: float | None
    scores: list[list[float]]
    best_epochs: list[list[int]]
    clips: int
    classes: int
    clip_scores: list[list[float]]
    heard_in_training: int = 0


def clips_heard_in_training(examples: Examples, folds: Sequence[Fold]) -> int:
    """How many tested clips are heard in training, over all folds."""
    heard = (examples.clips[heard_in_training(examples, fold)] for fold in folds)
    return int(sum(len(np.unique(clips)) for clips in heard))


def student_interval(
    values: Float[np.ndarray, " n"],
) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of the mean of some runs, none of a single one."""
    if len(values) < 2:
        return None, None
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
