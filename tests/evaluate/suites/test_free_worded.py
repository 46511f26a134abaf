"""The freely worded prompts: many, balanced, in no wording of a training, counted right."""

import collections
import json
import re
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.evaluate.judge.tasks import DIGITS, SOUNDS
from audiogen_jax.evaluate.recognisers.spoken_words import HeardWord
from audiogen_jax.evaluate.suites.free_worded import SECONDS, TIMED, free_prompts, heard
from audiogen_jax.infer.storyboard import scenes_of

WORDINGS = Path(__file__).parents[3] / "data" / "wordings"


def test_at_least_two_hundred_of_every_class():
    prompts = free_prompts()
    assert len(prompts) >= 200 and len({prompt.id for prompt in prompts}) == len(prompts)
    assert {prompt.kind for prompt in prompts} == {*SECONDS, TIMED}
    digits = collections.Counter(prompt.digit for prompt in prompts if prompt.digit)
    sounds = collections.Counter(prompt.sound for prompt in prompts if prompt.sound)
    assert set(digits) == set(DIGITS) and len(set(digits.values())) == 1
    assert set(sounds) == set(SOUNDS) and len(set(sounds.values())) == 1
    assert all(prompt.prompt.asr == prompt.digit for prompt in prompts)


def test_no_training_says_it_so():
    def strings(value):
        if isinstance(value, str):
            yield value
        else:
            for item in value.values() if isinstance(value, dict) else value:
                yield from strings(item)

    def plain(text: str) -> str:
        return re.sub(r"[^a-z ]", "", text.lower()).strip()

    known = {
        plain(text)
        for path in WORDINGS.glob("*.json")
        for text in strings(json.loads(path.read_text(encoding="utf-8")))
    }
    assert len(known) > 3000
    assert not known & {plain(prompt.prompt.caption) for prompt in free_prompts()}


def test_timelines_are_of_their_captions():
    timed = [prompt for prompt in free_prompts() if prompt.kind == TIMED]
    assert len(timed) >= 20
    for prompt in timed:
        (scene,) = scenes_of(prompt.prompt, prompt.timeline, prompt.seconds)
        assert set(scene.timeline) == {prompt.said, prompt.sounding} == set(prompt.timeline)
        assert prompt.said.end <= prompt.seconds and prompt.sounding.end <= prompt.seconds
    assert not any(prompt.timeline for prompt in free_prompts() if prompt.kind != TIMED)


class Hears:
    """Answers what a clip is a multiple of: 10 * digit + sound, said at a known time."""

    def __init__(self, starts=()):
        self.starts = dict(starts)

    def answers(self, task, clips, sample_rate):
        return [SOUNDS[int(clip[0]) % 10] for clip in clips]

    def hear(self, clips, sample_rate):
        words = [DIGITS[int(clip[0]) // 10] for clip in clips]
        starts = [self.starts.get(len(clip), 0.0) for clip in clips]
        return [HeardWord(word, at, at + 1) for word, at in zip(words, starts, strict=True)]


def test_shares():
    asked = free_prompts()
    clips = {}
    for prompt in asked:
        answer = 10 * DIGITS.index(prompt.digit or "zero") + SOUNDS.index(prompt.sound or "dog")
        clips[prompt.id] = np.full(round(100 * prompt.seconds), answer)
    mixture = next(prompt for prompt in asked if prompt.kind == "mixture")
    clips[mixture.id] = (clips[mixture.id] + 10) % 100  # one digit misheard
    timed_prompts = [prompt for prompt in asked if prompt.kind == TIMED]
    starts = {}
    for number, prompt in enumerate(timed_prompts):  # a clip is known by its length
        clips[prompt.id] = np.append(clips[prompt.id], [0] * 1000 * (number + 1))
        starts[len(clips[prompt.id])] = prompt.said.start + (0.3 if number == 0 else 0.0)
    shares = heard(asked, clips, Hears(), Hears(starts), 100)
    assert shares["digit"]["digits"].share == shares["sound"]["sounds"].share == 1.0
    assert set(shares["digit"]) == {"digits"} and set(shares["sound"]) == {"sounds"}
    mixed, timed = shares["mixture"], shares[TIMED]
    assert mixed["sounds"].share == 1.0 and mixed["both"] == mixed["digits"]
    assert mixed["both"].share == 1 - 1 / mixed["both"].clips
    assert timed["digits"].share == timed["sounds"].share == timed["both"].share == 1.0
    assert timed["digits in time"].share == pytest.approx(1 - 1 / timed["digits"].clips)
