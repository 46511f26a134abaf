"""The judge on synthetic words."""

import dataclasses

import numpy as np
import pytest

from audiogen_jax.evaluate.embedders.registry import embedder
from audiogen_jax.evaluate.judge.cache import cached_judge, load_judge, save_judge
from audiogen_jax.evaluate.judge.features import WINDOW, mel_power, windows
from audiogen_jax.evaluate.judge.tasks import tasks_of
from audiogen_jax.evaluate.judge.training import BACKGROUND, train_judge
from audiogen_jax.evaluate.recordings import Recording
from tests.evaluate.melodies import RATE, RECORDINGS, SHORT


def test_tasks_follow_the_training_clips():
    (digits,) = tasks_of(RECORDINGS)
    assert digits.name == "digits" and len(digits.classes) == 10
    rain = Recording("r", np.zeros(RATE, np.float32), RATE, "train", {"caption": ("rain",)}, "rain")
    assert [task.name for task in tasks_of([*RECORDINGS, rain])] == ["digits", "sounds"]
    said = Recording(
        "s", rain.samples, RATE, "train", {"caption": ("c",), "asr": ("rain",)}, "rain"
    )
    assert tasks_of([said] * 3)[0].classes == ("rain",)  # a spoken "rain" is a word, no sound


MELODY = Recording("m", RECORDINGS[0].samples, RATE, "train", {"music": ("a melody",)}, "waltz")
HISS = dataclasses.replace(
    MELODY,
    samples=np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32),
    views={"env": ("rain",)},
    label="rain",
)


def test_the_background_is_music_a_place_or_nothing():
    clips = [*RECORDINGS, MELODY, HISS, dataclasses.replace(HISS, label="boat")]
    (task,) = tasks_of(clips, "background")
    assert task.classes == ("rain", "music", "nothing")
    assert [task.answer(clip) for clip in clips[-4:]] == ["nothing", "music", "rain", None]
    both = dataclasses.replace(MELODY, views=MELODY.views | {"asr": ("one",)})
    assert task.answer(both) is None
    for missing in (RECORDINGS, [MELODY, HISS]):
        assert tasks_of(missing, "background") == ()
    with pytest.raises(ValueError, match="no real training clip teaches the background"):
        train_judge(RECORDINGS, BACKGROUND)


@pytest.mark.slow
def test_the_background_is_heard_behind_others():
    """Of a hiss under tones, which are nothing by themselves."""
    settings = dataclasses.replace(BACKGROUND, steps=30, batch_size=6)
    background = train_judge([*RECORDINGS, HISS], settings)
    tones = [clip.samples for clip in RECORDINGS if clip.split == "val"][:9]
    hissing = [clip + 0.3 * HISS.samples[: len(clip)] for clip in tones]
    answers = background.answers("background", [*tones, *hissing], RATE)
    assert np.mean([a == "nothing" for a in answers[:9]]) > 0.8
    assert np.mean([a == "rain" for a in answers[9:]]) > 0.8


def test_answers_among_some_classes_and_in_a_passing_moment(judge):
    held_out = [clip for clip in RECORDINGS if clip.split == "val" and clip.label != "zero"]
    answers = judge.answers("digits", [clip.samples for clip in held_out], RATE, ("one", "zero"))
    assert set(answers) <= {"one", "zero"}
    assert all(a == "one" for a, c in zip(answers, held_out, strict=True) if c.label == "one")
    zero, two = (np.pad(RECORDINGS[row].samples, (0, RATE)) for row in (1, 33))
    clip = np.concatenate([zero, np.tile(two, 4)])
    assert judge.answers("digits", [clip], RATE, ("zero", "one"), passing=True) == ["zero"]


def test_learns_and_judges_any_loudness_and_padding(judge):
    held_out = [clip for clip in RECORDINGS if clip.split == "val"]
    expected = [clip.label for clip in held_out]
    for change in (
        lambda x: x,
        lambda x: 0.01 * x,
        lambda x: np.pad(x, (9000, 20000)),
        lambda x: np.tile(x, 5),
    ):
        answers = judge.answers("digits", [change(clip.samples) for clip in held_out], RATE)
        assert np.mean([a == e for a, e in zip(answers, expected, strict=True)]) > 0.9
    with pytest.raises(ValueError, match="taught"):
        judge.answers("words", [held_out[0].samples], RATE)


def test_a_clip_does_not_depend_on_the_others(judge):
    clips = [clip.samples for clip in RECORDINGS[:40]]
    together, alone = judge.embed(clips, RATE).values, judge.embed(clips[7:8], RATE).values
    np.testing.assert_allclose(together[7], alone[0], atol=1e-4)


def test_the_cache_gives_the_same_judge_and_notices_other_clips(tmp_path, judge):
    save_judge(tmp_path / "judge.safetensors", judge)
    loaded = load_judge(tmp_path / "judge.safetensors")
    assert loaded.tasks == judge.tasks
    clip = [RECORDINGS[0].samples]
    np.testing.assert_array_equal(loaded.embed(clip, RATE).values, judge.embed(clip, RATE).values)
    assert loaded.identity == judge.identity
    for recordings in (RECORDINGS, RECORDINGS, RECORDINGS[:-2]):
        cached_judge(recordings, tmp_path / "cache", SHORT)
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 2
    with pytest.raises(ValueError, match="cache has several judges, name one: .*judge-"):
        embedder(f"judge={tmp_path / 'cache'}")
    file = tmp_path / "judge.safetensors"
    assert embedder(f"judge={file}").identity == judge.identity
    (tmp_path / "alone").mkdir()
    file.rename(tmp_path / "alone" / "judge-0.safetensors")
    assert embedder(f"judge={tmp_path / 'alone'}").identity == judge.identity
    with pytest.raises(FileNotFoundError, match="audiogen evaluate MANIFEST --part generation"):
        embedder(f"judge={tmp_path}")


def test_silent_windows_have_no_vote():
    bark = 0.5 * np.random.default_rng(0).normal(size=8000)
    cut, weights = windows(mel_power(np.pad(bark, (0, 72000)), RATE))
    assert cut.shape == (4, WINDOW, 64)
    np.testing.assert_allclose(weights, [1.0, 0.0, 0.0, 0.0])
