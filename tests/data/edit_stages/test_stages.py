import http.server
import inspect
import json
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiogen_jax as ag
from audiogen_jax.infer.editing import Inputs
from audiogen_jax.infer.requests import Clip
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.manifest import AudioRecord
from data.edit_stages.checks import ClapMatch, NoMatch, why_no_match, why_quiet
from data.edit_stages.naming import CaptionNamer, LanguageModelNamer
from data.edit_stages.restyling import EditorRestyler, ExchangeRestyler, heard_span
from data.edit_stages.separation import (
    EditorSeparator,
    FactorizationSeparator,
    SamAudioSeparator,
    Separated,
    factorize,
)

RATE = 16000


def clip(name: str, label: str | None = None, path: Path | None = None, **views) -> AudioRecord:
    texts = {view: (text,) for view, text in views.items()}
    return AudioRecord(name, path or Path(name), 1.0, texts, "train", 1, None, label)


def si_sdr(made: np.ndarray, true: np.ndarray) -> float:
    scaled = true * np.vdot(made, true) / np.vdot(true, true)
    return 10 * np.log10(np.square(scaled).sum() / np.square(made - scaled).sum())


def beeps(seed: int, seconds: float = 2.0) -> np.ndarray:
    """A chord that sounds now and then."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * f * time + rng.uniform(0, 6)) for f in (700, 1400, 2800))
    gate = np.repeat(rng.random(round(seconds * 10)) < 0.5, RATE // 10)
    gate[: RATE // 5] = True
    return (0.1 * tones * gate[: len(time)]).astype(np.float32)[:, None]


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> list[AudioRecord]:
    folder = tmp_path_factory.mktemp("examples")
    found = []
    for seed in range(3):
        path = folder / f"beep{seed}.wav"
        soundfile.write(path, beeps(seed), RATE, "FLOAT")
        found.append(clip(f"beep{seed}", "beep", path, sfx="a beep"))
    path = folder / "bell.wav"
    soundfile.write(path, np.sin(np.arange(4000) / 3), RATE)
    return [*found, clip("bell", "bell", path, sfx="a bell")]


def test_what_has_examples_is_separated(examples):
    """Far better than doing nothing, and the two always sum to the recording."""
    noise = np.random.default_rng(9).standard_normal((2 * RATE, 1)).astype(np.float32) * 0.1
    event = beeps(7)
    separator = FactorizationSeparator(examples, AudioCache(RATE, 1 << 24))
    mixed = event + noise
    separated = separator(clip("x"), mixed, RATE, "a beep")
    assert separated is not None
    np.testing.assert_allclose(separated.target + separated.residual, mixed, atol=1e-6)
    assert si_sdr(separated.target, event) > si_sdr(mixed, event) + 8
    assert si_sdr(separated.residual, noise) > si_sdr(mixed, noise) + 4
    again = separator(clip("x"), mixed, RATE, "A beep")
    np.testing.assert_array_equal(again.target, separated.target)
    assert separator(clip("x"), mixed, RATE, "a trombone") is None
    assert separator(examples[-1], mixed, RATE, "a bell") is None  # it is its only example


def test_factors_explain_what_they_are_factors_of():
    rng = np.random.default_rng(0)
    spectra, activations = rng.random((20, 3)), rng.random((3, 50))
    magnitude = spectra @ activations
    found, times = factorize(magnitude, rng.random((20, 3)) + 0.1, rng)
    assert np.abs(found @ times - magnitude).mean() < 0.05 * magnitude.mean()
    np.testing.assert_allclose(found.sum(axis=0), 1.0)
    known = spectra / spectra.sum(axis=0)
    kept, _ = factorize(magnitude, known.copy(), rng, fixed=2)
    np.testing.assert_allclose(kept[:, :2], known[:, :2])


@pytest.mark.parametrize(
    ("views", "names"),
    [
        (
            {"caption": "A dog barking and rain, while birds sing."},
            ["a dog barking", "rain", "birds sing"],
        ),
        ({"caption": "The sound of a bell."}, ["a bell"]),
        ({"sfx": "a dog barking", "env": "rain", "caption": "a man"}, ["a dog barking", "rain"]),
        ({"caption": "android sounds"}, ["android sounds"]),
        ({"speech": "a man"}, ["clock tick"]),
    ],
)
def test_names_from_captions_and_labels(views, names):
    assert CaptionNamer()(clip("x", "clock_tick", **views)) == names


@pytest.fixture
def endpoint():
    """A server that answers with what stands in `answers`, and keeps what it was asked."""
    answers, asked = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = {"choices": [{"message": {"content": answers[0]}}]}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", answers, asked
    server.shutdown()
    server.server_close()


def test_names_from_a_language_model(endpoint):
    url, answers, asked = endpoint
    namer = LanguageModelNamer(url, "small")
    answers[:] = ['Here you are: ["A dog barking.", "rain", "rain", 3]']
    assert namer(clip("x", caption="A dog in the rain")) == ["a dog barking", "rain"]
    assert asked[0]["model"] == "small" and "A dog in the rain" in str(asked[0]["messages"])
    answers[:] = ["a dog, I think"]
    with pytest.raises(ValueError, match="answered with no JSON list"):
        namer(clip("x", caption="A dog"))


def test_no_language_model():
    with pytest.raises(OSError, match="no language model answers at http://127.0.0.1:9/v1/chat"):
        LanguageModelNamer("http://127.0.0.1:9/v1/", "small")(clip("x", caption="A dog"))


def test_what_is_as_good_as_silent_is_dropped():
    loud, quiet = np.full((100, 1), 0.1, np.float32), np.full((100, 1), 0.005, np.float32)
    assert why_quiet(Separated(loud, loud)) is None
    assert why_quiet(Separated(quiet, loud)) == "the sound has -46.0 dBFS, below -40"
    assert why_quiet(Separated(loud, np.zeros_like(loud))) == "the rest has -inf dBFS, below -40"


def test_an_editor_of_this_package_separates_and_restyles(monkeypatch):
    """What it is asked, and that its clip, whose only channel has no axis, is taken as it is."""
    asked = []

    class Editor:
        def edit(self, kind, audio, sample_rate, *, what, to=None, seed=0, id="0"):
            asked.append((kind, sample_rate, what, to))
            return Clip(audio[:, 0] / 2, sample_rate, id, what, seed)

    monkeypatch.setattr(ag, "load", lambda checkpoint: Editor())
    mixed = np.ones((8, 1), np.float32)
    separated = EditorSeparator("nano")(clip("x"), mixed, RATE, "a dog")
    np.testing.assert_array_equal(separated.target, mixed / 2)
    np.testing.assert_array_equal(separated.residual, mixed / 2)
    restyler = EditorRestyler("nano", ["a dog", "a cat"])
    restyled = restyler(mixed, RATE, "a dog", np.random.default_rng(0))
    assert (restyled.name, restyled.audio.shape) == ("a cat", (8, 1))
    assert asked == [("extract", RATE, "a dog", None), ("restyle", RATE, "a dog", "a cat")]
    assert {*inspect.signature(Inputs.edit).parameters} >= {
        "kind",
        "audio",
        "sample_rate",
        "what",
        "to",
        "seed",
        "id",
    }


class Loudness:
    """Judges by the level, so that both limits can be met."""

    name = "loudness"

    def __call__(self, audio: np.ndarray, sample_rate: int, text: str) -> float:
        return float(audio.max())


@pytest.mark.parametrize(
    ("target", "residual", "why"),
    [(0.4, -0.1, None), (0.25, -0.1, "the sound matches 'a dog' by 0.25"), (0.4, 0.0, "the rest")],
)
def test_what_does_not_match_its_name_is_dropped(target, residual, why):
    separated = Separated(*(np.full((4, 1), v, np.float32) for v in (target, residual)))
    found = why_no_match(separated, RATE, "a dog", Loudness())
    assert found is None if why is None else found.startswith(why)
    assert why_no_match(separated, RATE, "a dog", NoMatch()) is None


def test_a_sound_is_exchanged_for_another_one_there(examples):
    restyler = ExchangeRestyler(examples, AudioCache(RATE, 1 << 24))
    target = np.zeros((RATE, 1), np.float32)
    target[4000:9000] = 0.1
    assert heard_span(target, RATE) == (4000, 9000 + 120)  # by frames of 10 ms
    restyled = restyler(target, RATE, "a beep", np.random.default_rng(0))
    assert (restyled.name, restyled.clips[0].audio_id) == ("a bell", "bell")
    assert not restyled.audio[:4000].any() and not restyled.audio[9120:].any()
    assert restyled.audio[4000:8000].any()
    only = ExchangeRestyler(examples[:3], AudioCache(RATE, 0))
    assert only(target, RATE, "a beep", np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    ("adapter", "package"), [(SamAudioSeparator, "sam_audio"), (ClapMatch, "laion_clap")]
)
def test_a_package_that_is_not_there_is_named(adapter, package):
    with pytest.raises(ValueError, match=f"the package '{package}' is not installed.*github.com"):
        adapter()
