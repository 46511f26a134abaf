"""Real audio kept, continued and varied by the embedded model."""

from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.files.audio import read_audio
from audiogen_jax.infer.source import CROSSFADE_SECONDS, Source

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
    fade = round(CROSSFADE_SECONDS * 16000)
    for untouched in (slice(0, 12800 - fade), slice(19200 + fade, None)):
        np.testing.assert_array_equal(audio[untouched], speech[untouched])
    assert similarity(audio[12800:19200], speech[12800:19200]) < 0.9
    kept = np.r_[:20, 30:48]  # 25 frames per second
    np.testing.assert_allclose(made[kept], known[kept], atol=1e-4)
    assert similarity(made[20:30], known[20:30]) < 0.9


def test_continuation_keeps_the_start(pipeline, speech, monkeypatch):
    known = latents_of(pipeline, speech)
    made, audio = sampled(pipeline, monkeypatch, Source.extend(speech), duration=3.0)
    assert len(audio) == 3 * 16000
    untouched = len(speech) - round(CROSSFADE_SECONDS * 16000)
    np.testing.assert_array_equal(audio[:untouched], speech[:untouched])
    assert np.abs(audio[len(speech) :]).max() > 0.01
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


def test_a_source_of_its_own_rate_and_channels(pipeline, speech):
    rate, start, end = 44100, 0.8, 1.2
    stereo = np.random.default_rng(0).normal(0, 0.2, (80_001, 2)).astype(np.float32)
    made = make(pipeline, Source.inpaint(stereo, start, end, rate), steps=2)
    assert made.shape == stereo.shape and made.dtype == np.float32
    before, after = (int(rate * t) for t in (start - CROSSFADE_SECONDS, end + CROSSFADE_SECONDS))
    np.testing.assert_array_equal(made[:before], stereo[:before])
    np.testing.assert_array_equal(made[after + 1 :], stereo[after + 1 :])
    inside = made[round(start * rate) + 1 : round(end * rate)]
    np.testing.assert_array_equal(inside[:, 0], inside[:, 1])  # the codec is mono


@st.composite
def edits(draw):
    """A source, and a clip generated from it."""
    rate, codec_rate = draw(st.sampled_from([8000, 16000, 22050, 48000])), 16000
    shape = draw(st.sampled_from([(), (1,), (2,)]))
    count = draw(st.integers(1, 6000))
    seconds = st.floats(0, 1.5 * count / rate)
    spans = draw(st.lists(st.tuples(seconds, seconds).map(sorted), max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    audio = rng.uniform(-1, 1, (count, *shape)).astype(np.float32)
    source = Source(audio, [(a, b + 1e-3) for a, b in spans], sample_rate=rate)
    made = max(2, round(draw(st.sampled_from([0.5, 1, 2])) * count / rate * codec_rate))
    return source, rng.uniform(-1.5, 1.5, (made, *draw(st.sampled_from([(), (1,)]))))


@hypothesis.given(edits())
@pytest.mark.filterwarnings("ignore:what was made anew")
def test_what_is_not_regenerated_is_the_source(edit):
    source, made = edit
    audio, rate = source.splice(made.astype(np.float32), 16000)
    assert rate == source.sample_rate and audio.shape[1:] == source.audio.shape[1:]
    expected = len(made) * rate / 16000
    assert abs(len(audio) - expected) <= 0.5 or len(audio) == len(source.audio)
    assert abs(len(audio) - expected) <= np.ceil(rate / 16000) + 0.5
    seconds = np.arange(len(audio)) / rate
    kept = np.ones(len(audio), bool)
    spans = list(source.regenerate)
    if len(audio) > len(source.audio):
        spans.append((len(source.audio) / rate, np.inf))
    for start, end in spans:
        kept &= (seconds <= start - CROSSFADE_SECONDS) | (seconds >= end + CROSSFADE_SECONDS)
    kept = np.flatnonzero(kept)
    np.testing.assert_array_equal(audio[kept], source.audio[kept])
    if len(kept):
        assert np.abs(audio).max() <= max(1, np.abs(source.audio).max())


def test_new_audio_over_full_scale_leaves_the_rest(recwarn):
    original = np.full(16000, 0.5, np.float32)
    audio, _ = Source.inpaint(original, 0.4, 0.6).splice(np.full(16000, -2.0, np.float32), 16000)
    np.testing.assert_array_equal(audio[:6000], 0.5)
    assert audio[8000] == -1 and np.abs(audio).max() == 1
    assert "what was made anew peaks at 2.00, over full scale: it is 6.0 dB" in str(
        recwarn[0].message
    )
    varied, _ = Source.vary(original, 0.5).splice(np.full(16000, -2.0, np.float32), 16000)
    np.testing.assert_array_equal(varied, -2)
    assert len(recwarn) == 1


@pytest.mark.parametrize(
    ("spans", "seconds", "words"),
    [
        ([(0.201, 0.21)], 2.0, "regenerate=(0.201, 0.21) selects nothing: the clip has 2 s"),
        ([(5.0, 6.0)], 2.0, "regenerate=(5, 6) selects nothing"),
        ([(0.5, 1.0), (2.1, 2.2)], 2.0, "regenerate=(2.1, 2.2) selects nothing"),
        ([(1.5, 2.0)], 1.0, "regenerate=(1.5, 2) selects nothing: the clip has 1 s"),
        ([], 2.0, "the source would be kept as it is"),
        ([], 1.0, "the source would be kept as it is"),
    ],
)
def test_edits_that_select_nothing(pipeline, speech, spans, seconds: float, words: str):
    audio = np.resize(speech, 32000)
    with pytest.raises(ValueError) as info:
        make(pipeline, Source(audio, spans), duration=seconds)
    assert words in str(info.value) and "\n" not in str(info.value)


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
        ({"audio": np.zeros((9, 9))}, "at most 8 channels"),
        ({"audio": np.zeros(0)}, "source audio of shape (0,)"),
        ({"audio": np.float32(0)}, "source audio of shape ()"),
        ({"audio": np.ones(9, np.int16)}, "source audio of type int16: expected floats"),
        ({"audio": np.ones(9, bool)}, "source audio of type bool: expected real floats"),
        ({"audio": np.ones(9, complex)}, "source audio of type complex128: expected real floats"),
        ({"noise_level": "1"}, "noise_level=1 must be above 0"),
        ({"regenerate": [(1.0, 0.5)]}, "regenerate=(1, 0.5)"),
        ({"regenerate": [(np.nan, 0.5)]}, "regenerate=(nan, 0.5)"),
        ({"regenerate": (1.0, 2.0)}, "regenerate=1.0: expected (start, end)"),
        ({"regenerate": [(1.0, 2.0, 3.0)]}, "regenerate=(1.0, 2.0, 3.0): expected (start, end)"),
        ({"sample_rate": 10}, "sample_rate=10 must be between 1000 and"),
        ({"sample_rate": 16000.0}, "sample_rate=16000.0 must be"),
    ],
)
def test_bad_sources(arguments, message):
    with pytest.raises(ValueError) as info:
        Source(**{"audio": np.zeros(9), **arguments})
    assert message in str(info.value) and "\n" not in str(info.value)


def test_what_has_no_source_needs_all_of_the_noise(pipeline, speech):
    with pytest.raises(ValueError, match="needs noise_level=1"):
        make(pipeline, Source(speech, noise_level=0.5), duration=4.0)
