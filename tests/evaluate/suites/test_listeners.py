"""Parts of mixtures are heard by those who can, and counted over the clips that have them."""

import dataclasses

import numpy as np
import pytest

from audiogen_jax.evaluate.judge.tasks import DIGITS, EVENTS, SOUNDS, Task
from audiogen_jax.evaluate.suites import listeners
from audiogen_jax.evaluate.suites.listeners import (
    Listeners,
    chances,
    heard_in,
    ratios,
    shares_heard,
)

PLACES = ("rain", "music", "nothing")


class Hears:
    """A judge that reads the answer to each task from a sample of the clip."""

    def __init__(self, *tasks: Task):
        self.tasks = tasks

    def answers(self, task, clips, sample_rate, among=None, passing=False):
        classes = next(known.classes for known in self.tasks if known.name == task)
        sample = {"digits": 0, "sounds": 1, "background": 2}[task]
        assert among is None or set(among) < set(classes)
        return [(among or classes)[int(clip[sample])] for clip in clips]


@pytest.fixture
def everybody(monkeypatch) -> Listeners:
    """PocketSphinx reads the last sample."""

    class Words:
        def __init__(self, words):
            self.words = words

        def answers(self, clips, sample_rate):
            return [self.words[int(clip[3])] for clip in clips]

    monkeypatch.setattr(listeners, "SpokenWords", Words)
    front = Hears(Task("digits", DIGITS), Task("sounds", SOUNDS))
    return Listeners(front, Hears(Task("background", PLACES)))  # type: ignore[arg-type]


def test_shares(everybody):
    expected = [
        {"digits": "two", "events": "dog", "ambience": "rain"},
        {"digits": "two", "events": "dog", "music": "music"},
        {"digits": "two", "events": "dog", "music": "music"},
        {"digits": "two", "events": "dog", "ambience": "rain"},
    ]
    dog = EVENTS.index("dog")
    clips = [
        np.array(clip) for clip in ([2, dog, 0, 2], [2, dog, 1, 5], [2, dog, 0, 2], [3, dog, 0, 2])
    ]
    shares = shares_heard(expected, clips, everybody, 16000)
    assert {name: (share.share, share.clips) for name, share in shares.items()} == {
        "digits": (0.75, 4),
        "digits, PocketSphinx": (0.75, 4),
        "events": (1.0, 4),
        "ambience": (1.0, 2),
        "music": (0.5, 2),
        "all": (0.5, 4),
        "all, PocketSphinx": (0.5, 4),
    }
    text = "digits: three (asked for: two); digits, PocketSphinx: two (asked for: two); "
    text += "events: dog (asked for: dog); ambience: rain (asked for: rain)"
    assert heard_in(clips[3], expected[3], everybody, 16000) == text
    chance = chances(expected, everybody)
    assert chance.keys() == shares.keys()
    assert chance["music"] == 1 / 3 and chance["events"] == 1 / len(EVENTS)
    assert chance["all"] == pytest.approx(1 / 10 / len(EVENTS) / 3)


def test_without_a_voice_or_a_background(everybody):
    rain = [{"sounds": "rain"}]
    heard = [np.array([0, SOUNDS.index("rain"), 0, 0])]
    shares = shares_heard(rain, heard, Listeners(everybody.judge), 16000)
    assert shares.keys() == chances(rain, Listeners(everybody.judge)).keys() == {"sounds", "all"}
    with pytest.raises(ValueError, match="music is asked for"):
        shares_heard([{"music": "music"}], heard, Listeners(everybody.judge), 16000)


def test_a_voice_is_listened_to_where_it_begins(everybody):
    class Speaks:
        def onsets(self, clips, sample_rate):
            return [3.0, None]

    clips = [np.arange(500.0), np.full(500, 4.0)]
    listeners = dataclasses.replace(everybody, activity=Speaks())
    answers = listeners.answers("digits", [clips[0] // 50, clips[1]], 100)
    assert answers["digits"] == ["five", "four"]  # from 2.5 s on


def test_ratios(everybody):
    clips = [np.array([2, 0, 0, 2]), np.array([3, 0, 0, 3])]
    half = shares_heard([{"digits": "two"}] * 2, clips, everybody, 16000)
    all_heard = shares_heard([{"digits": "two"}], clips[:1], everybody, 16000)
    none = shares_heard([{"digits": "two"}], clips[1:], everybody, 16000)
    assert set(ratios(half, all_heard).values()) == {0.5}
    assert set(ratios(half, none).values()) == {None}
