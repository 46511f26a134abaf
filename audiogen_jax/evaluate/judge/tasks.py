"""What judges are asked: which digit, command word or ESC-10 sound; and what is behind them."""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Literal

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
AMBIENCE = {
    "crackling_fire": "crackling_fire",
    "fireplace": "crackling_fire",
    "rain": "rain",
    "sea_waves": "sea_waves",
}
"""Label of an ambience -> its class. Others are of a recording or two: nobody learns from these
what such a place sounds like."""
EVENTS = tuple(sound for sound in SOUNDS if sound not in AMBIENCE)
MUSIC, NOTHING = "music", "nothing"
MIN_WORD_CLIPS = 3
Subject = Literal["foreground", "background"]


@dataclasses.dataclass(frozen=True)
class Task:
    """One closed-set question.

    Attributes:
      name: "digits", "words", "sounds" or "background".
      classes: the possible answers.
    """

    name: str
    classes: tuple[str, ...]

    def answer(self, recording: Recording) -> str | None:
        """The right answer for a real clip; None if the question is not about such a clip."""
        if self.name == "background":
            label = _background(recording)
        elif self.name == "sounds":
            label = recording.label if "asr" not in recording.views else None
        else:
            label = recording.word
        return label if label in self.classes else None


def tasks_of(training: Sequence[Recording], subject: Subject = "foreground") -> tuple[Task, ...]:
    """The tasks that these training clips can teach.

    Args:
      training: real clips of the training split.
      subject: "foreground": digits, words with at least 3 training clips, and ESC-10 sounds.
        "background": music, one of the ambiences, or nothing but speech and sounds.

    Returns:
      The tasks; one none of whose classes has a clip is left out, and so is a background without
      clips of nothing.
    """
    if subject == "background":
        known = {_background(clip) for clip in training} - {None}
        classes = (*sorted(set(AMBIENCE.values())), MUSIC, NOTHING)
        present = tuple(name for name in classes if name in known)
        return (Task("background", present),) if NOTHING in present and present[1:] else ()
    counts = collections.Counter(clip.word for clip in training)
    words = sorted(
        word
        for word, count in counts.items()
        if word and word not in DIGITS and count >= MIN_WORD_CLIPS
    )
    candidates = (Task("digits", DIGITS), Task("words", tuple(words)), Task("sounds", SOUNDS))
    return tuple(task for task in candidates if any(map(task.answer, training)))


def _background(recording: Recording) -> str | None:
    views = recording.views
    if "music" in views:
        return MUSIC if not {"asr", "sfx", "env"} & views.keys() else None
    if "env" in views:
        return AMBIENCE.get(recording.label or "") if not {"asr", "sfx"} & views.keys() else None
    return NOTHING if "asr" in views or "sfx" in views else None
