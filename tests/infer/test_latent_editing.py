"""Edits by a generator that reads latents: lengths, rates, channels, and what stays as it is."""

import dataclasses

import jax
import numpy as np
import pytest

from audiogen_jax.checkpoints.registry import load_generator
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.models.prompting import Sound

QUICK = SamplingOptions(steps=2)
RATE = 16000


@pytest.fixture(scope="module")
def editor(tiny_checkpoint) -> Pipeline:
    """The tiny generator with a random look at recordings, in windows of half a second."""
    loaded = load_generator(
        tiny_checkpoint, revision=None, dtype=np.float32, param_dtype=np.float32, put=jax.device_put
    )
    sizes = dataclasses.replace(loaded.generator.config, edits=True, dit_img_size=13)
    generator = dataclasses.replace(loaded.generator, config=sizes)
    rng, network = np.random.default_rng(0), loaded.params["audiogen"]
    for name, shape in (("source_proj", (16, 16)), ("source_embed", (16, 32))):
        network = {**network, name: {"kernel": rng.normal(0, 0.3, shape).astype(np.float32)}}
    params = {**loaded.params, "audiogen": network}
    return Pipeline(dataclasses.replace(loaded, generator=generator, params=params))


def noise(seconds: float, rate: int = RATE, channels: int = 1) -> Sound:
    rng = np.random.default_rng(0)
    return Sound(rng.normal(0, 0.1, (round(seconds * rate), channels)).astype(np.float32), rate)


@pytest.mark.parametrize(
    ("seconds", "rate", "channels"),
    [(0.3, 16000, 1), (0.01, 8000, 1), (1.3, 44101, 2), (0.5, 96000, 1), (0.4, 22050, 6)],
)
def test_edits_keep_length_rate_and_channels_and_sum(editor, seconds, rate, channels):
    source = noise(seconds, rate, channels)
    named = editor.edit("extract", source, what="rain", options=QUICK)
    rest = editor.edit("remove", source, what="rain", options=QUICK)
    assert named.sample_rate == rest.sample_rate == rate
    total = (named.audio + rest.audio).reshape(source.samples.shape)
    np.testing.assert_allclose(total, source.samples, atol=1e-6)
    assert np.abs(named.audio).max() > 1e-3


@pytest.mark.parametrize(("kind", "to"), [("add", None), ("remove", None), ("restyle", "wind")])
def test_outside_of_the_seconds_asked_for_a_recording_stays_as_it_is(editor, kind, to):
    source, between = noise(1.2, 24000, 2), (0.3, 0.7)
    clip = editor.edit(kind, source, what="rain", to=to, between=between, options=QUICK)
    changed = np.flatnonzero((clip.audio != source.samples).any(axis=1)) / 24000
    assert len(changed)
    assert between[0] <= changed.min() and changed.max() <= between[1]


def test_what_is_extracted_between_seconds_is_silent_outside(editor):
    clip = editor.edit("extract", noise(1.0), what="rain", between=(0.2, 0.5), options=QUICK)
    heard = np.flatnonzero(clip.audio) / RATE
    assert 0.2 <= heard.min() and heard.max() <= 0.5


def test_the_same_seed_gives_the_same_edit(editor):
    clips = [
        editor.edit("add", noise(0.5), what="rain", seed=seed, options=QUICK).audio
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(clips[0], clips[1])
    assert np.abs(clips[0] - clips[2]).max() > 1e-3


@pytest.mark.parametrize("level", [0.99, 1.0, 1.3])
def test_additions_pass_no_full_scale_and_are_heard(editor, level):
    """In a recording that is clipped throughout, too; what lies over full scale stays."""
    loud = Sound(np.sign(noise(0.5).samples) * np.float32(level), RATE)
    with pytest.warns(UserWarning, match="12 dB quieter, and .* samples are cut"):
        clip = editor.edit("add", loud, what="rain", options=QUICK)
    assert np.abs(clip.audio).max() <= max(1.0, np.float32(level))
    assert np.abs(clip.audio - loud.samples[:, 0]).max() > 1e-2


def test_silence(editor):
    silence = Sound(np.zeros((RATE, 2), np.float32), RATE)
    with pytest.warns(UserWarning, match="'rain' is not heard"):
        removed = editor.edit("remove", silence, what="rain", options=QUICK)
    np.testing.assert_array_equal(removed.audio, silence.samples)
    assert not np.shares_memory(removed.audio, silence.samples)  # a clip may be changed
    added = editor.edit("add", silence, what="rain", options=QUICK)
    assert np.isfinite(added.audio).all() and np.abs(added.audio).max() > 0


def test_channels_that_cancel_are_heard(editor):
    one = noise(0.5).samples
    against = Sound(np.concatenate([one, -one], axis=1), RATE)
    clip = editor.edit("extract", against, what="rain", options=QUICK)
    assert np.abs(clip.audio).max() > 1e-3
    np.testing.assert_allclose(clip.audio[:, 0], -clip.audio[:, 1], atol=1e-6)


def test_options_without_a_place(editor):
    for options in (
        SamplingOptions(negative="<|caption|> noise"),
        SamplingOptions(view_guidance={"sfx": 3.0}),
    ):
        with pytest.raises(ValueError, match="neither a negative prompt nor view_guidance"):
            editor.edit("remove", noise(0.3), what="rain", options=options)
        with pytest.raises(ValueError, match="neither a negative prompt"):
            editor.stems(noise(0.3), options=options)


def test_a_name_that_is_longer_than_the_model_reads_is_told(editor):
    with pytest.warns(UserWarning, match="tokens that the model reads: lost, .* caption"):
        editor.edit("add", noise(0.3), what="rain " * 200, options=QUICK)


def test_stems_sum_to_the_recording(editor):
    source = noise(0.7, 22050, 2)
    stems = editor.stems(source, options=QUICK)
    assert list(stems) == ["voice", "events", "music", "ambience"]
    total = np.sum([stem.audio for stem in stems.values()], axis=0)
    np.testing.assert_allclose(total, source.samples, atol=1e-6)


@pytest.mark.parametrize(
    "between", [(0.5, 0.2), (2.0, 3.0), (-1.0, 0.3), "ab", (0.1, np.nan), (0.10001, 0.10002)]
)
def test_seconds_that_are_none(editor, between):
    with pytest.raises(ValueError, match="between="):
        editor.edit("remove", noise(0.5), what="rain", between=between, options=QUICK)
