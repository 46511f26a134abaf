import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.edits.columns import KINDS
from audiogen_jax.input.edits.config import EditConfig
from audiogen_jax.input.edits.mixer import LOUDEST, EditMixer
from audiogen_jax.input.edits.time_pitch import shift_and_stretch
from audiogen_jax.input.manifest import AudioRecord, read_manifest
from audiogen_jax.input.scenes.layers import AUDIBLE_BELOW_PEAK, active_power
from audiogen_jax.input.scenes.library import SceneLibrary, role_of

RATE = 16000
CONFIG = EditConfig(weight=1.0, buckets=(1.0,), manifests=(("unread", 1.0),))


@pytest.fixture(scope="module")
def records(manifests) -> list[AudioRecord]:
    return read_manifest(manifests / "singles.jsonl")


@pytest.fixture(scope="module")
def make(records):
    def make(channels: int = 1, **changes) -> EditMixer:
        config = dataclasses.replace(CONFIG, **changes)
        return EditMixer(
            config, SceneLibrary([(records, 1.0)]), AudioCache(RATE, 1 << 28, channels)
        )

    return make


@pytest.fixture(scope="module")
def mixer(make) -> EditMixer:
    return make(negatives=0.3)


def draw(mixer: EditMixer, seed: int, seconds: float = 2.0):
    return mixer.draw(seconds, np.random.default_rng(seed))


def decibels(ratio: float) -> float:
    return 10 * np.log10(ratio)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), seconds=st.floats(1.5, 4.0))
def test_the_clips_of_a_pair_differ_by_what_is_named(mixer, seed, seconds):
    pair = draw(mixer, seed, seconds)
    zeros = np.zeros((round(seconds * RATE), 1), np.float32)
    for clip in (pair.source, pair.target, pair.event):
        assert clip.shape == zeros.shape and clip.dtype == np.float32
        assert np.abs(clip).max() <= LOUDEST + 1e-6
    assert pair.source.any()
    if pair.negative:
        assert not pair.event.any() and pair.span is None and not pair.clips["event"]
        expected = zeros if pair.kind == "extract" else pair.source
        np.testing.assert_array_equal(pair.target, expected)
        return
    assert pair.event.any()
    same = {
        "add": (pair.target, pair.source + pair.event),
        "remove": (pair.source, pair.target + pair.event),
        "extract": (pair.target, pair.event),
    }
    if pair.kind == "restyle":
        rest = pair.source - pair.event
        np.testing.assert_allclose(rest, pair.target - pair.replacement, atol=1e-6)
        assert pair.replacement.any()
    else:
        np.testing.assert_array_equal(*same[pair.kind])
        assert pair.replacement is None
    start, end = (round(second * RATE) for second in pair.span)
    assert 0 <= start < end <= len(zeros)
    frame = RATE // 100
    power = np.square(pair.event[: len(zeros) // frame * frame]).reshape(-1, frame).mean(axis=1)
    heard = np.flatnonzero(power >= AUDIBLE_BELOW_PEAK * power.max())
    assert start == heard[0] * frame and end - (heard[-1] + 1) * frame in (0, len(zeros) % frame)


def test_the_same_draw_is_the_same_pair_whatever_was_drawn_before(make):
    first, mixer = draw(make(), 3), make()
    draw(mixer, 2)
    again = draw(mixer, 3)
    for name in ("source", "target", "event"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.instruction, first.what, first.span) == (
        again.instruction,
        again.what,
        again.span,
    )


def test_kinds_and_negatives_come_in_their_shares(make):
    mixer = make(kinds={"remove": 3.0, "extract": 1.0, "add": 0.0}, negatives=0.5, events=(1, 1))
    pairs = [draw(mixer, seed, 1.5) for seed in range(80)]
    counts = Counter(pair.kind for pair in pairs)
    assert counts.keys() == {"remove", "extract"} and 45 <= counts["remove"] <= 72
    assert 25 <= sum(pair.negative for pair in pairs) <= 55


def test_no_other_sound_can_be_meant(make):
    """Nothing else that is heard has the label or a phrase of what is named."""
    mixer = make(events=(3, 3), negatives=0.3)
    for seed in range(20):
        pair = draw(mixer, seed)
        others = [*pair.clips["others"], *pair.clips["background"]]
        assert len(pair.clips["others"]) == 3 - (not pair.negative)
        for clip in (*pair.clips["event"], *pair.clips["replacement"]):
            role = role_of(clip)
            rivals = [other for other in others if role_of(other) == role]
            if role in ("speech", "music"):
                assert not rivals
            assert clip.label not in {rival.label for rival in rivals}
            assert not any({*clip.views[role]} & {*rival.views[role]} for rival in rivals)


def test_events_stand_out_by_the_ratio(make):
    kinds = {"remove": 1.0}
    mixer = make(kinds=kinds, snr=(6.0, 6.0), negatives=0.0, events=(1, 1))
    for seed in range(8):
        pair = draw(mixer, seed)
        ratio = active_power(pair.event, RATE) / active_power(pair.target, RATE)
        assert decibels(ratio) == pytest.approx(6.0, abs=0.3)


def test_a_replacement_is_as_loud_as_what_it_replaces(make):
    mixer = make(kinds={"restyle": 1.0}, negatives=0.0)
    for seed in range(8):
        pair = draw(mixer, seed)
        first, *_, last = np.flatnonzero(pair.event.any(axis=1))
        stems = [stem[first : last + 1] for stem in (pair.replacement, pair.event)]
        assert not pair.replacement[:first].any() and not pair.replacement[last + 2 :].any()
        ratio = active_power(stems[0], RATE) / active_power(stems[1], RATE)
        assert decibels(ratio) == pytest.approx(0.0, abs=0.1)
        assert pair.to and pair.to.lower() in pair.instruction.lower()


def test_words_of_a_voice_are_told(make):
    mixer = make(kinds={"extract": 1.0}, roles={"speech": 1.0}, events=(1, 1), negatives=0.0,
                 backgrounds={"00A": 1.0})  # fmt: skip
    for seed in range(6):
        pair = draw(mixer, seed, 3.0)
        assert pair.words in pair.clips["event"][0].views["asr"]
    mixer = make(roles={"sfx": 1.0})
    assert not any(draw(mixer, seed).words for seed in range(6))


def test_stereo(make):
    pair = draw(make(2), 0)
    assert pair.source.shape == (2 * RATE, 2)
    np.testing.assert_allclose(pair.source[:, 0], pair.source[:, 1], atol=1e-6)


def test_a_clip_that_cannot_be_read_leaves_its_place_to_others(records, tmp_path):
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC and nothing more")
    records = [dataclasses.replace(records[0], path=broken), *records[1:]]
    mixer = EditMixer(CONFIG, SceneLibrary([(records, 1.0)]), AudioCache(RATE, 1 << 28))
    problems = []
    for seed in range(25):
        pair, why = mixer.draw_readable(2.0, np.random.default_rng(seed))
        assert all(clip.path != broken for clips in pair.clips.values() for clip in clips)
        problems += why
    assert problems and all(f"{broken} is not audio" in problem for problem in problems)


def test_a_role_without_clips_is_refused(manifests):
    library = SceneLibrary([(read_manifest(manifests / "esc10.jsonl"), 1.0)])
    config = dataclasses.replace(CONFIG, backgrounds={"00A": 1.0})
    with pytest.raises(ValueError, match="'music'.*data.edits.roles to 0"):
        EditMixer(config, library, AudioCache(RATE, 1 << 28))


def test_where_no_sound_is_left_pairs_have_fewer_or_an_error(records):
    """One label for backgrounds and two for events: a third is never heard."""
    records = [record for record in records if record.label in ("rain", "dog", "alarm")]
    config = dataclasses.replace(
        CONFIG, backgrounds={"00A": 1.0}, roles={"sfx": 1.0}, kinds={"add": 1.0}, events=(3, 3)
    )
    cache = AudioCache(RATE, 1 << 28)
    mixer = EditMixer(config, SceneLibrary([(records, 1.0)]), cache)
    assert {len(draw(mixer, seed).clips["others"]) for seed in range(12)} == {0, 1}
    records = [record for record in records if record.label == "dog"]
    mixer = EditMixer(config, SceneLibrary([(records, 1.0)]), cache)
    with pytest.raises(ValueError, match=r"no sound is left .*\(add\).*data.edits.manifests"):
        draw(mixer, 0)


@pytest.mark.parametrize(("semitones", "stretch"), [(3.0, 1.0), (-3.0, 1.2), (0.0, 0.8)])
def test_pitch_and_length_are_changed_apart(semitones, stretch):
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)[:, None]
    shifted = shift_and_stretch(tone, semitones, stretch, RATE)
    assert len(shifted) == pytest.approx(stretch * RATE, abs=2)
    middle = shifted[len(shifted) // 4 : -len(shifted) // 4, 0]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 16))
    pitch = spectrum.argmax() * RATE / (1 << 16)
    assert pitch == pytest.approx(440 * 2 ** (semitones / 12), rel=0.003)


def test_what_is_not_changed_is_left_as_it_is():
    clip = np.ones((100, 2), np.float32)
    np.testing.assert_array_equal(shift_and_stretch(clip, 0.0, 1.0, RATE), clip)


@pytest.mark.parametrize(
    "changes",
    [
        {"kinds": {"mix": 1.0}},
        {"kinds": {kind: 0.0 for kind in KINDS}},
        {"roles": {"noise": 1.0}},
        {"negatives": 1.5},
        {"timeline": -0.1},
        {"events": (0, 2)},
        {"snr": (3.0, 0.0)},
        {"semitones": (1.0, -1.0)},
        {"stretch": (0.0, 1.0)},
        {"manifests": ()},
    ],
)
def test_settings_are_checked(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        dataclasses.replace(CONFIG, **changes)


def test_all_sounds_of_a_role_are_named_as_a_stem_is(make):
    mixer = make(whole_roles=1.0, kinds={"extract": 0.5, "remove": 0.5}, negatives=0.0)
    names = {
        "speech": "speech",
        "sfx": "sound effects",
        "music": "music",
        "env": "background noise",
    }
    seen = set()
    for seed in range(40):
        pair = draw(mixer, seed)
        roles = {role_of(clip) for clip in pair.clips["event"]}
        (role,) = roles
        seen.add(role)
        assert pair.what == names[role] and pair.what in pair.instruction.lower() and not pair.words
        rest = [*pair.clips["others"], *pair.clips["background"]]
        assert role not in {role_of(clip) for clip in rest}
        left = pair.source - pair.event
        np.testing.assert_allclose(
            pair.target, pair.event if pair.kind == "extract" else left, atol=1e-6
        )
        # Only what has no other role leaves silence.
        assert (np.abs(left).max() > 1e-4) == bool(rest)
    assert seen == set(names)


def test_a_voice_that_lasts_longer_than_stated_is_set_aside(records, misstated):
    """Its words would be cut, and all of them told."""
    library = SceneLibrary([(records, 1.0), (misstated, 1.0)])
    config = dataclasses.replace(CONFIG, roles={"speech": 1.0}, backgrounds={"00A": 1.0})
    mixer = EditMixer(config, library, AudioCache(RATE, 1 << 28))
    problems: list[str] = []
    for seed in range(20):
        pair, found = mixer.draw_readable(2.0, np.random.default_rng(seed))
        assert not any("misstated" in clip.audio_id for clip in pair.clips["event"])
        problems += found
    assert problems and all("its manifest states 0.4 s" in text for text in problems)
