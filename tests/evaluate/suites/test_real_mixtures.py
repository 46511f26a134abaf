"""Mixtures of real clips: all sounds are there, at the level asked for, and asked for in words."""

import numpy as np

from audiogen_jax.evaluate.judge.tasks import DIGITS, SOUNDS, Task
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suites.real_mixtures import (
    KINDS,
    LEVEL_DB,
    SECONDS,
    held_out_parts,
    mixtures,
)

RATE = 16000
TASKS = (Task("digits", DIGITS), Task("words", ("up", "yes")), Task("sounds", SOUNDS))


def recording(name: str, split: str, seconds: float, views: dict) -> Recording:
    rng = np.random.default_rng(len(name))
    samples = rng.normal(0, 0.1, int(RATE * seconds)).astype(np.float32)
    return Recording(f"{split}/{name}", samples, RATE, split, views, name)


def said(name: str, split: str) -> Recording:
    return recording(name, split, 0.5, {"caption": (name,), "speech": ("a man",), "asr": (name,)})


RECORDINGS = [said(name, split) for name in (*DIGITS[:3], "up") for split in ("train", "val")] + [
    recording(name, split, 5.0, {"caption": (f"{name}.",), view: (f"some {name}",)})
    for name, view in (("dog", "sfx"), ("rain", "env"), ("waltz", "music"))
    for split in ("train", "val")
]
HELD_OUT = held_out_parts(TASKS, RECORDINGS)


def test_what_can_sound():
    assert {part: list(classes) for part, classes in HELD_OUT.items()} == {
        "digits": ["zero", "one", "two"],
        "words": ["up"],
        "sounds": ["dog", "rain"],
        "events": ["dog"],
        "ambience": ["rain"],
        "music": ["music"],
    }
    assert all(
        clip.split == "val"
        for classes in HELD_OUT.values()
        for clips in classes.values()
        for clip in clips
    )


def test_pairs_cover_and_ask_for_both():
    pairs = mixtures("digit and sound", HELD_OUT, 12, seed=0)
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
    assert mixtures("digit and sound", HELD_OUT, 12, seed=0)[3].prompt == pairs[3].prompt


def test_forms_of_a_kind_take_turns():
    mixed = mixtures("three parts", HELD_OUT, 8, seed=0)
    forms = [tuple(mix.expected) for mix in mixed]
    assert forms[:4] == forms[4:] == [tuple(form) for form in KINDS["three parts"]]
    assert (
        mixed[0].prompt.caption
        == 'A man saying "zero" with some dog and some waltz in the background.'
    )
    assert mixed[1].prompt.sfx and mixed[1].prompt.env and mixed[1].prompt.asr == "up"
    assert mixed[0].clips == ("val/zero", "val/dog", "val/waltz")


def test_levels():
    """Music lies below the voice by what the table says."""
    low, high = LEVEL_DB["music"]
    for mix in mixtures("word and music", HELD_OUT, 6, seed=1):
        power = np.square(mix.real).reshape(-1, 800).mean(axis=1)
        music, both = np.median(power), power.max()
        assert low - 2 < 10 * np.log10((both - music) / music) < high + 2


def test_none_without_held_out_clips_of_all():
    only_digits = [clip for clip in RECORDINGS if "asr" in clip.views]
    assert mixtures("digit and sound", held_out_parts(TASKS, only_digits), 4, seed=0) == []
    assert mixtures("digit and sound", held_out_parts(TASKS[:1], RECORDINGS), 4, seed=0) == []
    assert mixtures("word and music", held_out_parts(TASKS[:1], RECORDINGS), 4, seed=0) == []
