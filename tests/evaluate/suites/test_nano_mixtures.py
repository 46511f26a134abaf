"""Mixtures of real clips: both sounds are there, at the level asked for, and counted apart."""

import numpy as np

from audiogen_jax.evaluate.judge.tasks import DIGITS, SOUNDS, Task
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suites.nano_mixtures import SECONDS, evaluate_mixtures, mixtures

RATE = 16000
TASKS = (Task("digits", DIGITS), Task("sounds", SOUNDS))


def recording(name: str, split: str, seconds: float, views: dict) -> Recording:
    rng = np.random.default_rng(len(name))
    samples = rng.normal(0, 0.1, int(RATE * seconds)).astype(np.float32)
    return Recording(f"{split}/{name}", samples, RATE, split, views, name)


RECORDINGS = [
    recording(name, split, 0.5, {"caption": (name,), "speech": ("a man",), "asr": (name,)})
    for name in DIGITS[:3]
    for split in ("train", "val")
] + [
    recording(name, split, 5.0, {"caption": (f"{name}.",), view: (f"some {name}",)})
    for name, view in (("dog", "sfx"), ("rain", "env"))
    for split in ("train", "val")
]


def test_pairs_cover_and_ask_for_both():
    pairs = mixtures(TASKS, RECORDINGS, 12, seed=0)
    assert len({mix.id for mix in pairs}) == 12
    assert {tuple(mix.expected.values()) for mix in pairs} == {
        (digit, sound) for digit in DIGITS[:3] for sound in ("dog", "rain")
    }
    for mix in pairs:
        digit, sound = mix.expected["digits"], mix.expected["sounds"]
        assert mix.prompt.asr == digit and digit in mix.prompt.caption
        assert f"some {sound}" in (mix.prompt.sfx or mix.prompt.env)
        assert f"some {sound}" in mix.prompt.caption
        assert len(mix.real) == RATE * SECONDS and np.abs(mix.real).max() <= 0.5
        # The sound is everywhere, the voice only for half a second, and louder while it lasts.
        blocks = np.sqrt((mix.real.reshape(-1, 1600) ** 2).mean(axis=1))
        assert blocks.min() > 0 and blocks.max() > 1.1 * np.median(blocks)
    assert mixtures(TASKS, RECORDINGS, 12, seed=0)[3].prompt == pairs[3].prompt


def test_no_mixtures_without_held_out_clips_of_both():
    only_digits = [clip for clip in RECORDINGS if "asr" in clip.views]
    assert mixtures(TASKS, only_digits, 4, seed=0) == []
    assert mixtures(TASKS[:1], RECORDINGS, 4, seed=0) == []


class Listener:
    """Hears what the first sample of a clip encodes."""

    tasks = TASKS

    def answers(self, task, clips, sample_rate):
        classes = {known.name: known.classes for known in self.tasks}[task]
        sample = 0 if task == "digits" else 1
        return [classes[int(clip[sample])] for clip in clips]


def test_shares():
    asked = mixtures(TASKS, RECORDINGS, 4, seed=0)
    right = [
        [DIGITS.index(mix.expected["digits"]), SOUNDS.index(mix.expected["sounds"])]
        for mix in asked
    ]
    generated = [np.array(pair) for pair in right]
    generated[0][0] = 9  # one digit misheard
    generated[1][1] = 0  # another clip's sound misheard
    for mix, pair in zip(asked, right, strict=True):
        mix.real[:2] = pair
    result = evaluate_mixtures(asked, generated, Listener(), RATE)
    assert result["generated"] == {"digits": 0.75, "sounds": 0.75, "both": 0.5}
    assert result["real"] == {"digits": 1.0, "sounds": 1.0, "both": 1.0}
    assert result["chance"]["both"] == 0.01
