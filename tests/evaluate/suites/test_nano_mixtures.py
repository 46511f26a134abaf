"""Mixtures of real clips: both parts are there, at the level asked for, and counted apart."""

import numpy as np

from audiogen_jax.evaluate.judge.tasks import DIGITS, SOUNDS, Task
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suites.nano_mixtures import SECONDS, evaluate_mixtures, mixtures

TASKS = (Task("digits", DIGITS), Task("sounds", SOUNDS))


def recording(name: str, split: str, seconds: float, views: dict) -> Recording:
    rng = np.random.default_rng(len(name))
    samples = rng.normal(0, 0.1, int(16000 * seconds)).astype(np.float32)
    return Recording(f"{split}/{name}", samples, split, views, name)


RECORDINGS = [
    recording(name, split, 0.5, {"caption": (name,), "speech": ("a man",), "asr": (name,)})
    for name in DIGITS[:3]
    for split in ("train", "val")
] + [
    recording(name, split, 5.0, {"caption": (f"{name}.",), view: (f"some {name}",)})
    for name, view in (("dog", "sfx"), ("rain", "env"))
    for split in ("train", "val")
]


def test_pairs_cover_both_parts_and_ask_for_both():
    pairs = mixtures(TASKS, RECORDINGS, 12, seed=0)
    assert len({one.id for one in pairs}) == 12
    assert {tuple(one.expected.values()) for one in pairs} == {
        (digit, sound) for digit in DIGITS[:3] for sound in ("dog", "rain")
    }
    for one in pairs:
        digit, sound = one.expected["digits"], one.expected["sounds"]
        assert one.prompt.asr == digit and digit in one.prompt.caption
        assert f"some {sound}" in (one.prompt.sfx or one.prompt.env)
        assert f"some {sound}" in one.prompt.caption
        assert len(one.real) == 16000 * SECONDS and np.abs(one.real).max() <= 0.5
        # The sound is everywhere, the voice only for half a second, and louder while it lasts.
        blocks = np.sqrt((one.real.reshape(-1, 1600) ** 2).mean(axis=1))
        assert blocks.min() > 0 and blocks.max() > 1.1 * np.median(blocks)
    assert mixtures(TASKS, RECORDINGS, 12, seed=0)[3].prompt == pairs[3].prompt


def test_no_mixtures_without_held_out_clips_of_both():
    only_digits = [clip for clip in RECORDINGS if "asr" in clip.views]
    assert mixtures(TASKS, only_digits, 4, seed=0) == []
    assert mixtures(TASKS[:1], RECORDINGS, 4, seed=0) == []


class Listener:
    """Hears what the first sample of a clip encodes."""

    tasks = TASKS

    def answers(self, task, clips):
        classes = {one.name: one.classes for one in self.tasks}[task]
        place = 0 if task == "digits" else 1
        return [classes[int(clip[place])] for clip in clips]


def test_shares():
    wanted = mixtures(TASKS, RECORDINGS, 4, seed=0)
    right = [
        [DIGITS.index(one.expected["digits"]), SOUNDS.index(one.expected["sounds"])]
        for one in wanted
    ]
    generated = [np.array(pair) for pair in right]
    generated[0][0] = 9  # one digit misheard
    generated[1][1] = 0  # another clip's sound misheard
    for one, pair in zip(wanted, right, strict=True):
        one.real[:2] = pair
    result = evaluate_mixtures(wanted, generated, Listener())
    assert result["generated"] == {"digits": 0.75, "sounds": 0.75, "both": 0.5}
    assert result["real"] == {"digits": 1.0, "sounds": 1.0, "both": 1.0}
    assert result["chance"]["both"] == 0.01
