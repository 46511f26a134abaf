"""What the judge is asked: which digit, which command word, which ESC-10 sound."""

import collections
import dataclasses
from collections.abc import Sequence

from audiogen_jax.evaluate.recordings import Recording

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SOUNDS = (
    "chainsaw",
    "clock_tick",
    "crackling_fire",
    "crying_baby",
    "dog",
    "helicopter",
    "rain",
    "rooster",
    "sea_waves",
    "sneezing",
)
MIN_WORD_CLIPS = 3


@dataclasses.dataclass(frozen=True)
class Task:
    """One closed-set question.

    Attributes:
      name: "digits", "words" or "sounds".
      classes: the possible answers.
    """

    name: str
    classes: tuple[str, ...]

    def answer(self, recording: Recording) -> str | None:
        """The right answer for a real clip; None if the question is not about such a clip."""
        if self.name == "sounds":
            label = recording.label if "asr" not in recording.views else None
        else:
            label = recording.word
        return label if label in self.classes else None


def tasks_of(training: Sequence[Recording]) -> tuple[Task, ...]:
    """The tasks that these training clips can teach.

    Args:
      training: real clips of the training split.

    Returns:
      Digits, words with at least 3 training clips, and ESC-10 sounds; a task none of whose
      classes has a clip is left out.
    """
    counts = collections.Counter(clip.word for clip in training)
    words = sorted(
        word
        for word, count in counts.items()
        if word and word not in DIGITS and count >= MIN_WORD_CLIPS
    )
    candidates = (Task("digits", DIGITS), Task("words", tuple(words)), Task("sounds", SOUNDS))
    return tuple(task for task in candidates if any(map(task.answer, training)))
