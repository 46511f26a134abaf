"""The judge on synthetic words: two-tone melodies that differ in direction and pitch."""

import numpy as np
import pytest

from audiogen_jax.evaluate.judge.cache import cached_judge, load_judge, save_judge
from audiogen_jax.evaluate.judge.features import WINDOW, mel_power, windows
from audiogen_jax.evaluate.judge.tasks import tasks_of
from audiogen_jax.evaluate.judge.training import JudgeTraining, train_judge
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suites.nano_classes import (
    evaluate_generation,
    frechet_beside_floor,
    requests,
)

PITCHES = {"zero": 300.0, "one": 1000.0, "two": 3000.0}
TRAINING = JudgeTraining(steps=40, batch_size=6)


def tone(word: str, seed: int) -> Recording:
    rng = np.random.default_rng(seed)
    time = np.arange(int(16000 * rng.uniform(0.4, 0.7))) / 16000
    pitch = PITCHES[word] * rng.uniform(0.95, 1.05)
    samples = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.003 * rng.normal(size=len(time))
    views = {"caption": (f'A tone says "{word}".', f"Tone {word}."), "asr": (word,)}
    split = "val" if seed % 2 else "train"
    return Recording(
        f"{word}{seed}", samples.astype(np.float32), split, views, word, held_out="take"
    )


RECORDINGS = [tone(word, seed) for word in PITCHES for seed in range(16)]


@pytest.fixture(scope="module")
def judge():
    return train_judge(RECORDINGS, TRAINING)


def test_tasks_follow_the_training_clips():
    (digits,) = tasks_of(RECORDINGS)
    assert digits.name == "digits" and len(digits.classes) == 10
    rain = Recording("r", np.zeros(16000, np.float32), "train", {"caption": ("rain",)}, "rain")
    assert [task.name for task in tasks_of([*RECORDINGS, rain])] == ["digits", "sounds"]
    said = Recording("s", rain.samples, "train", {"caption": ("c",), "asr": ("rain",)}, "rain")
    assert tasks_of([said] * 3)[0].classes == ("rain",)  # a spoken "rain" is a word, no sound


def test_learns_and_judges_any_loudness_and_padding(judge):
    held_out = [clip for clip in RECORDINGS if clip.split == "val"]
    expected = [clip.label for clip in held_out]
    for change in (
        lambda x: x,
        lambda x: 0.01 * x,
        lambda x: np.pad(x, (9000, 20000)),
        lambda x: np.tile(x, 5),
    ):
        answers = judge.answers("digits", [change(clip.samples) for clip in held_out])
        assert np.mean([a == e for a, e in zip(answers, expected, strict=True)]) > 0.9
    with pytest.raises(ValueError, match="taught"):
        judge.answers("words", [held_out[0].samples])


def test_a_clip_does_not_depend_on_the_others(judge):
    clips = [clip.samples for clip in RECORDINGS[:40]]
    together, alone = judge.embed(clips), judge.embed(clips[7:8])
    np.testing.assert_allclose(together[7], alone[0], atol=1e-4)


def test_the_cache_gives_the_same_judge_and_notices_other_clips(tmp_path, judge):
    save_judge(tmp_path / "judge.safetensors", judge)
    loaded = load_judge(tmp_path / "judge.safetensors")
    assert loaded.tasks == judge.tasks
    clip = [RECORDINGS[0].samples]
    np.testing.assert_array_equal(loaded.embed(clip), judge.embed(clip))
    short = JudgeTraining(steps=1, batch_size=3)
    for recordings in (RECORDINGS, RECORDINGS, RECORDINGS[:-2]):
        cached_judge(recordings, tmp_path / "cache", short)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_silent_windows_have_no_vote():
    bark = 0.5 * np.random.default_rng(0).normal(size=8000)
    cut, weights = windows(mel_power(np.pad(bark, (0, 72000))))
    assert cut.shape == (4, WINDOW, 64)
    np.testing.assert_allclose(weights, [1.0, 0.0, 0.0, 0.0])


def test_requests_use_held_out_phrasings_and_every_class():
    (task,) = tasks_of(RECORDINGS)
    wanted = requests(task, RECORDINGS, per_class=3, seed=0)
    assert len({one.id for one in wanted}) == len(wanted) == 9  # classes without clips: none
    assert all(one.prompt.asr == one.expected for one in wanted)
    assert wanted == requests(task, RECORDINGS, per_class=3, seed=0)


def test_generation_of_right_clips_copies_and_wrong_clips(judge):
    (task,) = judge.tasks
    wanted = requests(task, RECORDINGS, per_class=4, seed=0)

    def evaluate(generated):
        return evaluate_generation(
            task, RECORDINGS, wanted, generated, judge, rebuild=lambda x: x, seed=0
        )

    right = evaluate([tone(one.expected, 101 + 2 * i).samples for i, one in enumerate(wanted)])
    assert right["accuracy"]["generated"] > 0.9
    assert right["accuracy"]["real_held_out"] > 0.9
    assert right["accuracy"]["real_held_out_take_clips"] == 24
    training = {clip.label: clip.samples for clip in RECORDINGS if clip.split == "train"}
    copied = evaluate([training[one.expected] for one in wanted])
    assert copied["near_copies"]["share"] == 1.0
    assert copied["near_copies"]["share_of_rebuilt_training_clips"] == 1.0
    assert right["near_copies"]["share"] < 0.6
    rng = np.random.default_rng(0)
    noise = evaluate([0.1 * rng.normal(size=8000) for _ in wanted])
    assert noise["accuracy"]["generated"] < 0.6
    assert noise["frechet"]["generated_to_real"] > 3 * noise["frechet"]["real_to_real_floor"]
    assert noise["frechet"]["generated_to_real"] > 3 * right["frechet"]["generated_to_real"]


def test_frechet_floor_of_the_same_distribution():
    rng = np.random.default_rng(0)
    found = frechet_beside_floor(rng.normal(size=(50, 4)), rng.normal(size=(80, 4)), seed=0)
    assert found["clips_per_set"] == 40
    assert found["generated_to_real"] == pytest.approx(found["real_to_real_floor"], rel=0.5)
