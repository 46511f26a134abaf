"""Tasks that the clips of a manifest can ask: what stands for those of X-ARES without their data.

None of these scores is one of the published benchmark: the clips are others and fewer.
"""

import collections
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from audiogen_jax.evaluate.linear_evaluation.clips import LabelledClip
from audiogen_jax.evaluate.linear_evaluation.tasks import Domain, Folds, Task
from audiogen_jax.evaluate.recordings import Recording

LEAST_CLIPS = 5
"""Of a class; others are left out."""
FOLDS = 5
EPOCHS = 100
"""As many steps as X-ARES takes of ESC-50, whose clips are ten times as many, in 10 epochs."""
MUSIC = {
    "classical song": "classical",
    "classical chamber music": "classical",
    "classical": "classical",
    "rock": "rock",
    "metal": "metal",
    "electronic (tracker)": "electronic",
    "techno": "electronic",
    "house": "electronic",
}
"""Label of a clip of music -> its kind."""


@dataclasses.dataclass(frozen=True)
class RecordedTask:
    """A task on recordings.

    Attributes:
      name: of the task.
      domain: of its sounds.
      like: the task of X-ARES that it stands for; None: there is none.
      answer: the class of a clip; None: it is not asked about.
      group: clips that are never on both sides of a split.
      fold: of a group, where the data set says so; None: groups are dealt out evenly.
    """

    name: str
    domain: Domain
    like: str | None
    answer: Callable[[Recording], str | None]
    group: Callable[[Recording], str]
    fold: Callable[[Recording], str] | None = None

    def clips(self, recordings: Sequence[Recording]) -> tuple[Task, list[LabelledClip]] | str:
        """The task on these recordings, with its clips fold by fold; or why there is none."""
        in_order = sorted(recordings, key=lambda clip: clip.audio_id)
        about = [(clip, answer) for clip in in_order if (answer := self.answer(clip))]
        counts = collections.Counter(answer for _, answer in about)
        about = [(clip, answer) for clip, answer in about if counts[answer] >= LEAST_CLIPS]
        classes = sorted({answer for _, answer in about})
        if len(classes) < 2:
            return f"{self.name}: {len(classes)} classes of {LEAST_CLIPS} clips, expected two"
        names = [self.fold(clip) if self.fold else self.group(clip) for clip, _ in about]
        answers = [answer for _, answer in about]
        folds = _published(names) if self.fold else _dealt(answers, names)
        number = len(set(folds))
        if number < 3 or len(set(names)) < 3:
            return f"{self.name}: {len(set(names))} groups of clips, expected three"
        task = Task(
            self.name, self.domain, len(classes), "", Folds(tuple(map(str, range(number)))), 0, "",
            epochs=EPOCHS,
        )  # fmt: skip
        order = np.argsort(folds, kind="stable")
        return task, [
            LabelledClip(
                about[row][0].audio_id, about[row][0].samples, about[row][0].sample_rate,
                int(folds[row]), (answers[row],), recording=about[row][0].recording,
            )
            for row in order
        ]  # fmt: skip


def _published(names: Sequence[str]) -> list[int]:
    order = sorted(set(names))
    return [order.index(name) for name in names]


def _dealt(answers: Sequence[str], groups: Sequence[str]) -> list[int]:
    """Folds of whole groups with about as many clips of each class (scikit-learn's)."""
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(FOLDS, len(set(groups)))
    if count < 3:
        return [0] * len(groups)
    folds = np.zeros(len(groups), int)
    splits = StratifiedGroupKFold(count).split(answers, answers, groups)
    for number, (_, rows) in enumerate(splits):
        folds[rows] = number
    return _published([f"{fold:03}" for fold in folds])


def _word(recording: Recording) -> str | None:
    return recording.word if recording.source == "words" else None


def _speaker(recording: Recording) -> str:
    return recording.speaker or recording.audio_id


RECORDED = (
    RecordedTask(
        "sounds", "sound", "esc50",
        lambda clip: clip.label if clip.source == "esc10" else None,
        lambda clip: clip.recording or clip.audio_id,
        lambda clip: clip.audio_id.rpartition("/")[2].partition("-")[0],
    ),
    RecordedTask(
        "digits", "speech", None,
        lambda clip: clip.word if clip.source == "fsdd" else None,
        _speaker,
        _speaker,
    ),
    RecordedTask(
        "speakers", "speech", "voxceleb1",
        lambda clip: clip.speaker if clip.source == "fsdd" else None,
        lambda clip: f"{clip.word}",
    ),
    RecordedTask("words", "speech", "speechcommandsv1", _word, _speaker),
    RecordedTask(
        "music_kinds", "music", "gtzan_genre",
        lambda clip: MUSIC.get(clip.label or "") if clip.source == "music" else None,
        lambda clip: clip.recording or clip.audio_id,
    ),
)  # fmt: skip
"""Sounds: the ten classes of ESC-10 in the folds of ESC-50. Digits: nobody who is tested is heard
in training. Speakers: the words that are tested are not those of training; each of the five has a
room and a microphone too. Words: command words, by others than in training."""
