"""Edits, questions and words on a small Audio-Omni, which does all three."""

import io

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

import audiogen_jax as ag
from audiogen_jax.files.broadcast_wave import first_sample
from audiogen_jax.files.export import export
from audiogen_jax.files.provenance import MadeWith, Provenance
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.serve.app import create_app
from audiogen_jax.serve.settings import ServeSettings
from tests import tiny_omni

pytestmark = pytest.mark.slow
RATE = 44101
NOISE = 0.1 * np.random.default_rng(0).standard_normal((8820, 2)).astype(np.float32)
MADE = Provenance("edit", MadeWith("other", "0" * 64))
LINEAR = SamplingOptions(steps=2, guidance=7.0, schedule="linear")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return ag.load(tiny_omni.write_checkpoint(tmp_path_factory.mktemp("serve") / "omni"))


@pytest.fixture(scope="module")
def client(pipeline):
    app = create_app(pipeline, "omni", ServeSettings(max_seconds=5), LINEAR)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def recording(name="../../etc/noise.wav", samples=NOISE, rate=RATE):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, "FLOAT", format="WAV")
    return {"file": (name, buffer.getvalue(), "audio/wav")}


def edit(client, files=None, **fields):
    data = {"kind": "remove", "what": "rain", "steps": 2, **fields}
    return client.post("/v1/audio/edits", files=files or recording(), data=data)


def test_edits(client, pipeline):
    answer = edit(client, seed=3, between="0.05:0.1")
    assert answer.status_code == 200, answer.text
    made, rate = soundfile.read(io.BytesIO(answer.content), dtype="float32")
    expected = pipeline.edit(
        "remove", NOISE, RATE, what="rain", between=(0.05, 0.1), seed=3, options=LINEAR
    )
    assert rate == RATE and made.shape == NOISE.shape
    np.testing.assert_allclose(made, expected.audio, atol=1e-4)
    np.testing.assert_array_equal(made[: RATE // 20], NOISE[: RATE // 20])
    placed = export(NOISE, RATE, ".wav", MADE, subtype="FLOAT", time_reference=1000).contents
    answer = edit(client, {"file": ("a.wav", placed, "")}, seed=3, channels=1, sample_rate=88202)
    made, rate = soundfile.read(io.BytesIO(answer.content), dtype="float32")
    assert (rate, made.shape) == (2 * RATE, (2 * len(NOISE),))
    assert first_sample(io.BytesIO(answer.content)) == 2000  # where the recording was
    other = edit(client, kind="restyle", to="wind", response_format="mp3")
    assert other.status_code == 200 and soundfile.info(io.BytesIO(other.content)).channels == 2


def test_questions(client, pipeline):
    asked = {"question": "What is heard?", "max_tokens": 4}
    answer = client.post("/v1/audio/understanding", files=recording(), data=asked)
    assert answer.status_code == 200, answer.text
    clip = ag.Clip(NOISE, RATE, "0", "", 0)
    assert answer.json() == {"text": pipeline.understand(asked["question"], clip, max_tokens=4)}


def test_words(client, pipeline):
    body = {"model": "omni", "input": "Hello", "voice": "alloy", "response_format": "wav"}
    answer = client.post("/v1/audio/speech", json=body)
    assert answer.status_code == 200, answer.text
    made, rate = soundfile.read(io.BytesIO(answer.content), dtype="float32")
    (said,) = pipeline.generate(
        "a person speaking", transcript="Hello", steps=2, guidance=7.0, schedule="linear"
    )
    assert rate == said.sample_rate and np.abs(made).max() > 1e-3
    expected = said.audio / max(1.0, np.abs(said.audio).max())
    np.testing.assert_allclose(made, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("files", "fields", "param", "words"),
    [
        (recording(samples=NOISE[:0]), {}, "file", "holds no samples"),
        (recording(samples=np.full((900, 1), np.nan)), {}, "file", "NaN"),
        (recording(samples=np.zeros((6000, 1)), rate=1000), {}, "file", "too long"),
        ({"file": ("../../a.wav", b"no audio", "audio/wav")}, {}, "file", "a.wav is not audio"),
        ({"file": ("a.wav", b"", "audio/wav")}, {}, "file", "empty"),
        (None, {"between": "1"}, "between", "START:END"),
        (None, {"between": "nan:1"}, None, "between"),
        (None, {"between": "3:4"}, None, "within the 0.19"),
        (None, {"to": "wind"}, "to", "restyle"),
        (None, {"kind": "restyle"}, "to", "restyle"),
        (None, {"what": " "}, "what", "expected words"),
        (None, {"seed": "1.5"}, "seed", "valid integer"),
        (None, {"loop": "0.2"}, "loop", "two crossfades"),
        (
            recording(samples=np.zeros((900, 6))),
            {"response_format": "mp3"},
            "response_format",
            "holds no 6",
        ),
        (recording(samples=np.zeros((900, 6))), {"channels": "2"}, "channels", "of a clip of 6"),
    ],
)
def test_bad_edits(client, files, fields, param, words: str):
    answer = edit(client, files, **fields)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["param"] == param and words in error["message"] and ".." not in error["message"]
