"""The freely worded prompts: many, balanced, in no wording of a training, counted right."""

import collections
import json
import re
from pathlib import Path

import numpy as np

from audiogen_jax.evaluate.judge.tasks import DIGITS, SOUNDS
from audiogen_jax.evaluate.suites.free_worded import SECONDS, free_prompts, heard

WORDINGS = Path(__file__).parents[3] / "data" / "wordings"


def test_at_least_two_hundred_of_every_class():
    prompts = free_prompts()
    assert len(prompts) >= 200 and len({prompt.id for prompt in prompts}) == len(prompts)
    assert {prompt.kind for prompt in prompts} == set(SECONDS)
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


class Hears:
    """Answers what the first two samples of a clip encode."""

    def answers(self, *arguments):
        *task, clips, _ = arguments
        names, sample = (SOUNDS, 1) if task else (DIGITS, 0)
        return [names[int(clip[sample])] for clip in clips]


def test_shares():
    asked = free_prompts()
    clips = {
        prompt.id: np.array(
            [DIGITS.index(prompt.digit or "zero"), SOUNDS.index(prompt.sound or "dog")]
        )
        for prompt in asked
    }
    mixture = next(prompt for prompt in asked if prompt.kind == "mixture")
    clips[mixture.id][0] = (clips[mixture.id][0] + 1) % 10  # one digit misheard
    shares = heard(asked, clips, Hears(), Hears(), 16000)
    assert shares["digit"]["digits"].share == shares["sound"]["sounds"].share == 1.0
    assert set(shares["digit"]) == {"digits"} and set(shares["sound"]) == {"sounds"}
    mixed = shares["mixture"]
    assert mixed["sounds"].share == 1.0 and mixed["both"] == mixed["digits"]
    assert mixed["both"].share == 1 - 1 / mixed["both"].clips
