"""Edits by a separator and a generator: lengths, rates, channels, levels, what stays as it is."""

import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.stem_editing import inside
from audiogen_jax.input.scenes.layers import active_power
from audiogen_jax.models.prompting import Sound
from tests.tiny_separator import with_separator

QUICK = SamplingOptions(steps=2)
RATE = 16000


@pytest.fixture(scope="module")
def editor(tiny_checkpoint, tmp_path_factory) -> Pipeline:
    return ag.load(with_separator(tiny_checkpoint, tmp_path_factory.mktemp("editor") / "model"))


def noise(seconds: float, rate: int = RATE, channels: int = 1) -> Sound:
    rng = np.random.default_rng(0)
    return Sound(rng.normal(0, 0.1, (round(seconds * rate), channels)).astype(np.float32), rate)


@pytest.mark.parametrize(
    ("seconds", "rate", "channels"),
    [(0.3, 16000, 1), (0.01, 8000, 1), (6.1, 44101, 2), (0.5, 96000, 1), (0.4, 22050, 6)],
)
def test_edits_keep_length_rate_and_channels(editor, seconds, rate, channels):
    source = noise(seconds, rate, channels)
    named = editor.edit("extract", source, what="rain")
    rest = editor.edit("remove", source, what="rain")
    assert named.sample_rate == rest.sample_rate == rate
    kept, left = (clip.audio.reshape(source.samples.shape) for clip in (named, rest))
    assert np.abs(kept).max() > 1e-3
    assert 1e-3 < np.abs(left - source.samples).max() < np.abs(source.samples).max()
    other = editor.edit("extract", source, what="a dog barking")
    assert np.abs(named.audio - other.audio).max() > 1e-4


@pytest.mark.parametrize(("kind", "to"), [("add", None), ("remove", None), ("restyle", "wind")])
def test_outside_of_the_seconds_asked_for_a_recording_stays_as_it_is(editor, kind, to):
    source, between = noise(1.2, 24000, 2), (0.3, 0.7)
    options = None if kind == "remove" else QUICK
    clip = editor.edit(kind, source, what="rain", to=to, between=between, options=options)
    changed = np.flatnonzero((clip.audio != source.samples).any(axis=1)) / 24000
    assert len(changed)
    assert between[0] <= changed.min() and changed.max() <= between[1]


def test_what_is_added_is_as_loud_as_the_recording_there(editor):
    source = noise(1.5)
    for gain in (0.1, 1.0):
        quiet = Sound(source.samples * np.float32(gain), RATE)
        clip = editor.edit("add", quiet, what="rain", between=(0.5, 1.5), options=QUICK)
        added = clip.audio[:, None] - quiet.samples
        ratio = active_power(added, RATE) / active_power(quiet.samples, RATE)
        assert 10 * np.log10(ratio) == pytest.approx(1.5, abs=1.0)


@pytest.mark.parametrize(("seconds", "between"), [(0.01, None), (0.3, (0.1, 0.103))])
def test_less_than_a_latent_frame_can_be_changed(editor, seconds, between):
    """The fades of the seconds asked for leave half of them."""
    source = noise(seconds)
    clip = editor.edit("add", source, what="rain", between=between, options=QUICK)
    changed = np.abs(clip.audio - source.samples[:, 0])
    assert changed.max() > 1e-2
    assert between is None or not changed[: round(between[0] * RATE)].any()
    weights = inside((0.1, 0.103), 4800, RATE)[:, 0]
    assert (weights == 1).sum() in (23, 24, 25) and not weights[:1600].any()


def test_a_sound_without_a_time_begins_with_the_recording_and_ends_with_it(editor):
    source = noise(0.5)
    clip = editor.edit("add", source, what="rain", options=QUICK)
    assert clip.audio.shape == (8000,)
    assert np.abs(clip.audio[:800] - source.samples[:800, 0]).max() > 1e-3


def test_silence(editor):
    silence = Sound(np.zeros((RATE, 2), np.float32), RATE)
    with pytest.warns(UserWarning, match="'rain' is not heard"):
        removed = editor.edit("remove", silence, what="rain")
    np.testing.assert_array_equal(removed.audio, silence.samples)
    added = editor.edit("add", silence, what="rain", options=QUICK)
    assert np.isfinite(added.audio).all() and np.abs(added.audio).max() > 0


def test_a_name_that_is_longer_than_the_model_reads_is_told(editor):
    for kind, to in (("extract", None), ("add", None), ("restyle", "rain " * 200)):
        what = "rain" if to else "rain " * 200
        options = None if kind == "extract" else QUICK
        with pytest.warns(UserWarning, match="tokens that the model reads: lost, .* caption"):
            editor.edit(kind, noise(0.3), what=what, to=to, options=options)


def test_more_is_kept_of_speech_than_its_share_of_the_energy(editor, monkeypatch):
    config, source = editor.stem_editor.separator.config, noise(1.0)

    def quarter(params, audio, *_):
        return np.full((1, 1 + len(audio) // config.hop, config.bins), 0.25)

    monkeypatch.setitem(vars(editor.stem_editor), "_masks", quarter)
    for what, share in (("rain", 0.25), ("speech", 0.5)):
        clip = editor.edit("extract", source, what=what)
        inner = slice(RATE // 4, 3 * RATE // 4)
        ratio = clip.audio[inner].std() / source.samples[inner].std()
        assert ratio == pytest.approx(share, abs=0.01)


def test_stems_sum_to_the_recording(editor):
    source = noise(0.7, 22050, 2)
    stems = editor.stems(source)
    assert list(stems) == ["voice", "events", "music", "ambience"]
    total = np.sum([stem.audio for stem in stems.values()], axis=0)
    np.testing.assert_allclose(total, source.samples, atol=1e-6)


def test_options_of_what_is_not_sampled(editor):
    for kind in ("remove", "extract"):
        with pytest.raises(ValueError, match="samples only what is added"):
            editor.edit(kind, noise(0.3), what="rain", options=QUICK)
    with pytest.raises(ValueError, match="samples only what is added"):
        editor.stems(noise(0.3), options=QUICK)
