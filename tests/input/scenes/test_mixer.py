import dataclasses
import re
from collections import Counter

import numpy as np
import pytest

from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.manifest import read_manifest
from audiogen_jax.input.scenes.config import SceneConfig
from audiogen_jax.input.scenes.layers import (
    AUDIBLE_BELOW_PEAK,
    FRAME_SECONDS,
    active_power,
    audible,
    repeated,
)
from audiogen_jax.input.scenes.library import SceneLibrary
from audiogen_jax.input.scenes.mixer import PEAK, SceneMixer

RATE = 16000
CONFIG = SceneConfig(manifests=(("unread", 1.0),), weight=1.0, buckets=(1.0,))


@pytest.fixture(scope="module")
def library(manifests) -> SceneLibrary:
    return SceneLibrary([(read_manifest(manifests / "singles.jsonl"), 1.0)])


@pytest.fixture
def make(library, manifests):
    def make(channels: int = 1, **changes) -> SceneMixer:
        config = dataclasses.replace(CONFIG, **changes)
        return SceneMixer(config, library, AudioCache(RATE, 1 << 28, channels))

    return make


def draw(mixer: SceneMixer, seed: int, progress: float = 0.0, seconds: float = 2.0):
    return mixer.draw(progress, seconds, np.random.default_rng(seed))


def decibels(ratio: float) -> float:
    return 10 * np.log10(ratio)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_scene_is_the_sum_of_its_layers(make, channels):
    mixer = make(channels)
    for seed in range(12):
        scene = draw(mixer, seed)
        assert scene.samples.shape == (2 * RATE, channels)
        assert scene.samples.dtype == np.float32
        np.testing.assert_allclose(sum(scene.layers.values()), scene.samples, atol=1e-6)
        assert PEAK[0] - 1e-6 <= np.abs(scene.samples).max() <= PEAK[1] + 1e-6


def test_the_same_draw_is_the_same_scene(make):
    """Whatever was drawn before."""
    first, mixer = draw(make(), 3), make()
    draw(mixer, 2)
    again = draw(mixer, 3)
    np.testing.assert_array_equal(first.samples, again.samples)
    assert (first.views, first.timeline) == (again.views, again.timeline)


def test_categories_come_in_their_shares(make):
    mixer = make(categories={"S0A": 3.0, "0M0": 1.0})
    counts = Counter(draw(mixer, seed, seconds=1.5).category for seed in range(80))
    assert counts.keys() == {"S0A", "0M0"}
    assert 45 <= counts["S0A"] <= 72
    for category, roles in (("S0A", {"speech", "sfx", "env"}), ("0M0", {"music"})):
        layers = [set(draw(make(categories={category: 1.0}), seed).layers) for seed in range(4)]
        assert all(names <= roles for names in layers)


def test_the_voice_stands_out_less_and_less(make):
    """The headroom of the first stage is gone in the last one."""
    mixer = make(categories={"S0A": 1.0}, headroom=(20.0, 0.0), reverb=0.0)

    def levels(progress: float) -> list[float]:
        found = []
        for seed in range(8):
            scene = draw(mixer, seed, progress)
            speech, *others = scene.layers.values()
            power = max(active_power(layer, RATE) for layer in others)
            found.append(decibels(active_power(speech, RATE) / power))
        return found

    first, last = levels(0.0), levels(1.0)
    np.testing.assert_allclose(np.subtract(first, last), 20.0, atol=0.05)
    low = min(low for role, (low, _) in mixer._config.below.items() if role != "music")
    assert min(last) >= low - 0.05


def test_the_timeline_says_when_it_sounds(make):
    """Before an event, and between words, nothing is heard; from its first moment on it is."""
    mixer = make(reverb=0.0, one_word=0.0, max_words=3)
    words, frame = 0, round(FRAME_SECONDS * RATE)
    for seed in range(30):
        scene = draw(mixer, seed, seconds=5.0)
        for role, layer in scene.layers.items():
            silent = np.ones(len(layer), bool)
            events = [event for event in scene.timeline if event.view == role]
            if role == "speech":
                events = [event for event in scene.timeline if event.view == "asr"]
                words += len(events) > 1
            for event in events:
                start, end = round(event.start * RATE), round(event.end * RATE)
                silent[start:end] = False
                power = np.square(layer[start:end])[: (end - start) // frame * frame]
                power = power.reshape(-1, frame).mean(axis=1)
                assert power[0] >= 0.99 * AUDIBLE_BELOW_PEAK * power.max()
            loudest = np.square(layer).reshape(-1, frame).mean(axis=1).max()
            quiet = np.where(silent[:, None], layer, 0).reshape(-1, frame)
            # Frames of the layer lie across two of the clip.
            assert np.square(quiet).mean(axis=1).max() < 2 * AUDIBLE_BELOW_PEAK * loudest
    assert words  # some said more than one


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("lead", [0.0, 0.37, 0.5])
def test_a_clip_is_heard_from_its_first_loud_frame_on(channels, lead):
    """What recordings hold before and after that, room and breath, is no part of the event."""
    rng = np.random.default_rng(0)
    clip = 1e-3 * rng.standard_normal((RATE, channels)).astype(np.float32)
    first, last = round(lead * RATE), round((lead + 0.4) * RATE)
    clip[first:last] *= 300
    clip[first + 800 : first + 2400] /= 300  # a pause within it
    assert audible(clip, RATE) == (first, last)
    assert audible(np.zeros_like(clip), RATE) == (0, RATE)


def test_words_are_of_one_speaker_and_are_all_in_asr(make):
    mixer = make(categories={"S00": 1.0}, one_word=0.0)
    for seed in range(10):
        scene = draw(mixer, seed, seconds=3.0)
        clips = scene.clips["speech"]
        assert len({clip.speaker for clip in clips}) == 1
        said = [event.text for event in scene.timeline if event.view == "asr"]
        assert (
            scene.views["asr"] == " ".join(said) == " ".join(clip.views["asr"][0] for clip in clips)
        )


def test_ambience_that_fills_a_scene(make):
    """It is heard throughout, about as loud where two repetitions meet."""
    mixer = make(categories={"00A": 1.0}, fill=True, reverb=0.0)
    layers = [
        layer
        for seed in range(6)
        for role, layer in draw(mixer, seed, seconds=5.0).layers.items()
        if role == "env"
    ]
    assert layers
    for layer in layers:
        assert np.square(layer.reshape(20, -1)).mean(axis=1).min() > 0
    noise = np.random.default_rng(0).standard_normal((RATE, 2)).astype(np.float32)
    lasting = repeated(noise, 4 * RATE + 7, RATE)
    assert lasting.shape == (4 * RATE + 7, 2)
    power = np.square(lasting[RATE // 2 : 4 * RATE].reshape(14, -1)).mean(axis=1)
    np.testing.assert_allclose(power, 1.0, atol=0.15)
    assert repeated(noise, RATE - 1, RATE) is noise


def test_a_category_without_clips_is_refused(manifests):
    library = SceneLibrary([(read_manifest(manifests / "esc10.jsonl"), 1.0)])
    config = CONFIG
    with pytest.raises(ValueError, match="'0M0'.*music.*share to 0"):
        SceneMixer(config, library, AudioCache(RATE, 1 << 28))
    only = dataclasses.replace(config, categories={"00A": 1.0})
    assert draw(SceneMixer(only, library, AudioCache(RATE, 1 << 28)), 0).category == "00A"


def test_scenes_without_a_clip_that_cannot_be_read(manifests, tmp_path):
    """They are drawn again, alike whatever was drawn before."""
    records = read_manifest(manifests / "esc10.jsonl")
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC and nothing more")
    records[0] = dataclasses.replace(records[0], path=broken)
    config = dataclasses.replace(CONFIG, categories={"00A": 1.0})

    def make() -> SceneMixer:
        return SceneMixer(config, SceneLibrary([(records, 1.0)]), AudioCache(RATE, 1 << 28))

    mixer = make()
    problems = {}
    for seed in range(60):
        scene, problems[seed] = mixer.draw_readable(0.0, 2.0, np.random.default_rng(seed))
        paths = {clip.path for clips in scene.clips.values() for clip in clips}
        assert broken not in paths
        assert all(f"{broken} is not audio" in problem for problem in problems[seed])
    seed = next(seed for seed in problems if problems[seed])
    again, _ = make().draw_readable(0.0, 2.0, np.random.default_rng(seed))
    first, _ = mixer.draw_readable(0.0, 2.0, np.random.default_rng(seed))
    np.testing.assert_array_equal(again.samples, first.samples)


@pytest.mark.parametrize("one_word", [0.0, 1.0])
def test_words_that_last_longer_than_stated_are_set_aside(manifests, misstated, one_word):
    """They would be cut, and all of them told; where there is room for them they are used."""
    records = [*read_manifest(manifests / "words.jsonl"), *misstated]
    config = dataclasses.replace(CONFIG, categories={"S00": 1.0}, one_word=one_word)
    mixer = SceneMixer(config, SceneLibrary([(records, 1.0)]), AudioCache(RATE, 1 << 28))
    used, problems = [], []
    for seed in range(60):
        seconds = 2.0 if seed % 2 else 4.0
        scene, found = mixer.draw_readable(0.0, seconds, np.random.default_rng(seed))
        used += [seconds for clip in scene.clips["speech"] if clip in misstated]
        problems += found
    assert used and set(used) == {4.0}
    assert problems and all(
        re.search(r"clip 'misstated\d' \(.*\) lasts \d.\d+ s, .* states 0.4 s", problem)
        for problem in problems
    )


def test_too_many_clips_that_cannot_be_read(manifests, tmp_path):
    records = [
        dataclasses.replace(record, path=tmp_path / "missing.flac")
        for record in read_manifest(manifests / "esc10.jsonl")
    ]
    config = dataclasses.replace(CONFIG, categories={"00A": 1.0})
    mixer = SceneMixer(config, SceneLibrary([(records, 1.0)]), AudioCache(RATE, 1 << 28))
    with pytest.raises(ValueError, match="no scene of 100 has clips that can be read.*missing"):
        mixer.draw_readable(0.0, 2.0, np.random.default_rng(0))


@pytest.mark.parametrize(
    "changes",
    [
        {"categories": {"XYZ": 1.0}},
        {"categories": {"S00": 0.0}},
        {"below": {"sfx": (0.0, 1.0)}},
        {"below": {"sfx": (1.0, 0.0), "music": (0.0, 1.0), "env": (0.0, 1.0)}},
        {"one_word": 1.5},
        {"timeline": -0.1},
        {"max_words": 0},
        {"headroom": ()},
        {"manifests": ()},
        {"weight": 0.0},
        {"buckets": ()},
        {"buckets": (0.0, 0.0)},
        {"manifests": (("a", 0.0),)},
    ],
)
def test_settings_are_checked(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        dataclasses.replace(CONFIG, **changes)
