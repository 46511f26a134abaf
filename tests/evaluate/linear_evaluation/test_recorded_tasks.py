"""Tasks on the recordings of a manifest."""

import numpy as np
import pytest

from audiogen_jax.evaluate.linear_evaluation.recorded_tasks import RECORDED
from audiogen_jax.evaluate.recordings import Recording

TASKS = {task.name: task for task in RECORDED}
SILENCE = np.zeros(10, np.float32)


def recorded(name: str, source: str, **facts) -> Recording:
    views = {"asr": (facts.pop("asr"),)} if "asr" in facts else {}
    return Recording(name, SILENCE, 16000, "train", views, source=source, **facts)


DIGITS = [
    recorded(f"fsdd/{speaker}/{digit}_{take}", "fsdd", asr=digit, speaker=f"fsdd:{speaker}")
    for speaker in ("theo", "ann", "bo")
    for digit in ("one", "two", "three")
    for take in range(2)
]
SOUNDS = [
    recorded(f"esc10/{label}/{fold}-{number}-A", "esc10", label=label, recording=f"f:{number}")
    for number, (label, fold) in enumerate([("dog", 1), ("rain", 1), ("dog", 2), ("rain", 3)] * 3)
]


def by_fold(clips, of_key) -> list[set[str]]:
    return [{of_key(clip.key) for clip in clips if clip.split == fold} for fold in range(3)]


def test_folds_that_the_data_set_gives():
    task, clips = TASKS["sounds"].clips(SOUNDS)
    assert len(task.splits.files) == 3 and task.classes == 2
    assert [clip.split for clip in clips] == sorted(clip.split for clip in clips)
    assert all(clip.split == int(clip.key.split("/")[2][0]) - 1 for clip in clips)


def test_nobody_who_is_tested_is_heard_in_training():
    task, clips = TASKS["digits"].clips(DIGITS)
    assert len(task.splits.files) == 3 and task.classes == 3
    heard = {
        fold: {clip.key.split("/")[1] for clip in clips if clip.split == fold} for fold in range(3)
    }
    assert list(heard.values()) == [{"ann"}, {"bo"}, {"theo"}]


def test_speakers_are_told_apart_by_other_words():
    task, clips = TASKS["speakers"].clips(DIGITS)
    assert task.classes == 3 and {clip.answers for clip in clips} == {
        ("fsdd:ann",), ("fsdd:bo",), ("fsdd:theo",)
    }  # fmt: skip
    folds = {
        fold: {clip.key.split("/")[2][:3] for clip in clips if clip.split == fold}
        for fold in range(3)
    }
    assert sorted(map(len, folds.values())) == [1, 1, 1]
    assert set.union(*folds.values()) == {"one", "two", "thr"}


def test_the_order_of_the_manifest_is_nothing():
    for name, recordings in (("sounds", SOUNDS), ("speakers", DIGITS)):
        one, other = (TASKS[name].clips(each) for each in (recordings, recordings[::-1]))
        facts = [[(clip.key, clip.split) for clip in each[1]] for each in (one, other)]
        assert facts[0] == facts[1]


@pytest.mark.parametrize(
    ("name", "recordings", "message"),
    [
        ("words", DIGITS, "words: 0 classes of 5 clips, expected two"),
        ("digits", DIGITS[:12], "digits: 0 classes|digits: 2 groups of clips, expected three"),
        ("music_kinds", [], "music_kinds: 0 classes"),
    ],
)
def test_too_few_clips_are_no_task(name, recordings, message):
    found = TASKS[name].clips(recordings)
    assert isinstance(found, str)
    assert any(found.startswith(each) for each in message.split("|"))
