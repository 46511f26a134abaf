"""Real audio kept, continued and varied by the embedded model."""

from pathlib import Path

import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.files.audio import read_audio
from audiogen_jax.infer.source import Source

CLIPS = Path(__file__).parents[1] / "clips"
PROMPT = "<|caption|> Rain. <|env|> rain"


@pytest.fixture(scope="module")
def pipeline():
    return ag.load()


@pytest.fixture(scope="module")
def speech():
    """1.9 seconds: not a whole number of latent frames."""
    return read_audio(sorted((CLIPS / "speech").rglob("*.flac"))[0], 16000).samples[: 19 * 1600, 0]


def latents_of(pipeline, audio):
    padded = np.pad(audio, (0, -len(audio) % 640))
    return np.asarray(pipeline.codec.encode(padded[None])[0])


def similarity(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def make(pipeline, source, **options):
    (clip,) = pipeline.generate(PROMPT, source=source, **{"steps": 6, **options})
    return clip.audio


def sampled(pipeline, monkeypatch, source, **options):
    """The latents of a generation."""
    seen = []
    original = pipeline._sampler.sample
    with monkeypatch.context() as patch:
        patch.setattr(
            pipeline._sampler,
            "sample",
            lambda *a, **k: seen.append(original(*a, **k)) or seen[-1],
        )
        audio = make(pipeline, source, **options)
    return np.asarray(seen[0][0]), audio


def test_inpainting_keeps_the_rest(pipeline, speech, monkeypatch):
    known = latents_of(pipeline, speech)
    made, audio = sampled(pipeline, monkeypatch, Source.inpaint(speech, 0.8, 1.2))
    assert len(audio) == len(speech)
    kept = np.r_[:20, 30:48]  # 25 frames per second
    np.testing.assert_allclose(made[kept], known[kept], atol=1e-4)
    assert similarity(made[20:30], known[20:30]) < 0.9


def test_continuation_keeps_the_start(pipeline, speech, monkeypatch):
    known = latents_of(pipeline, speech)
    made, audio = sampled(pipeline, monkeypatch, Source.extend(speech), duration=3.0)
    assert len(audio) == 3 * 16000
    np.testing.assert_allclose(made[: len(known)], known, atol=1e-4)
    assert np.abs(made[len(known) : 75]).max() > 0.1


def test_variations_leave_the_source_gradually(pipeline, speech, monkeypatch):
    known = latents_of(pipeline, speech)
    near, far = (
        sampled(pipeline, monkeypatch, Source.vary(speech, level), guidance=1.0)[0][: len(known)]
        for level in (0.2, 0.9)
    )
    assert similarity(near, known) > 0.9 > similarity(far, known)


def test_a_full_noise_level_with_nothing_kept_is_plain_generation(pipeline, speech):
    edited = make(pipeline, Source.vary(speech, 1.0))
    plain = make(pipeline, None, duration=len(speech) / 16000)
    np.testing.assert_allclose(edited, plain, atol=1e-4)


def test_kept_frames():
    source = Source(np.zeros(16000, np.float32), regenerate=[(0.2, 0.4), (0.9, 5.0)])
    keep = source.kept(frames=30, known=25, latent_rate=25)
    assert not keep[5:10].any() and keep[:5].all() and keep[10:22].all() and not keep[23:].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"audio": np.zeros((2, 9, 1))}, "source audio of shape (2, 9, 1)"),
        ({"audio": np.full(9, np.nan)}, "expected finite samples"),
        ({"noise_level": 0.0}, "noise_level=0.0 must be above 0"),
        ({"regenerate": [(1.0, 0.5)]}, "regenerate=(1.0, 0.5)"),
    ],
)
def test_bad_sources(arguments, message):
    with pytest.raises(ValueError) as info:
        Source(**{"audio": np.zeros(9), **arguments})
    assert message in str(info.value)


def test_what_has_no_source_needs_all_of_the_noise(pipeline, speech):
    with pytest.raises(ValueError, match="needs noise_level=1"):
        make(pipeline, Source(speech, noise_level=0.5), duration=4.0)
