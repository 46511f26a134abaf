"""Every endpoint: what it makes is what the pipeline makes."""

import base64
import concurrent.futures
import io
import json
import threading
import urllib.parse
import warnings

import numpy as np
import pytest
import soundfile

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.provenance import MadeWith, Provenance, read_provenance
from audiogen_jax.infer.continuation import continued
from audiogen_jax.serve.answers import header
from audiogen_jax.serve.formats import encode
from audiogen_jax.serve.warned import own_warnings
from tests.loudness_meter import measure
from tests.serve.conftest import KEY, QUICK, serving

RATE = 16000
MADE = Provenance("generate", MadeWith("nano", "0f" * 32))
SCENE = {
    "caption": "A dog barks in the rain, and a man walks by.",
    "sfx": "a dog barking",
    "env": "a tin roof, wind, wet streets",
}
SPEECH = {"model": "tts-1", "input": "seven", "voice": "alloy", "duration": 1.0}
SPOKEN = '<|caption|> A person speaking says "seven". <|speech|> a person speaking <|asr|> seven'


def alone(pipeline, prompt, seed=0, duration=1.0):
    (clip,) = pipeline.generate(prompt, seed=seed, steps=1, duration=duration)
    return clip.audio


def decoded(answer):
    assert answer.status_code == 200, answer.text
    return soundfile.read(io.BytesIO(answer.content), dtype="float32")


def written(folder, contents):
    """What a file says of its making."""
    path = folder / "answer"
    path.write_bytes(contents)
    return read_provenance(path)


def scenery(subject):
    """Of about as many tokens as the other captions, so that they share programs."""
    return SCENE["caption"].replace("A dog", subject)


def scene(client, **changes):
    return client.post("/v1/audio/scenes", json={**SCENE, "duration": 1.0, **changes})


def test_speech_as_openai_asks_for_it(client, pipeline):
    expected = alone(pipeline, SPOKEN)
    audio, rate = decoded(
        client.post("/v1/audio/speech", json={**SPEECH, "response_format": "wav"})
    )
    assert rate == RATE
    np.testing.assert_allclose(audio, expected, atol=1e-4)
    raw = client.post("/v1/audio/speech", json={**SPEECH, "response_format": "pcm"})
    assert raw.headers["x-sample-rate"] == "24000" and len(raw.content) == 2 * 24000
    events = client.post("/v1/audio/speech", json={**SPEECH, "response_format": "pcm",
                                                   "stream_format": "sse"})  # fmt: skip
    data = [json.loads(line[6:]) for line in events.text.splitlines() if line]
    assert [each["type"] for each in data][-1] == "speech.audio.done"
    assert b"".join(base64.b64decode(each.get("audio", "")) for each in data) == raw.content
    usual = client.post("/v1/audio/speech", json=SPEECH)
    assert usual.headers["content-type"] == "audio/mpeg" and len(decoded(usual)[0]) >= RATE


@pytest.mark.parametrize("format", ["wav", "flac", "ogg", "opus", "mp3"])
def test_formats(client, pipeline, tmp_path, format: str):
    answer = scene(client, response_format=format)
    audio, rate = decoded(answer)
    assert answer.headers["x-digital-source-type"].endswith("/trainedAlgorithmicMedia")
    record = written(tmp_path, answer.content)
    assert record["checkpoint_sha256"] == pipeline.checkpoint_sha256()
    assert (record["seed"], record["prompt"]) == (0, StructuredCaption(**SCENE).format())
    expected = alone(pipeline, StructuredCaption(**SCENE))
    assert rate == RATE and abs(len(audio) - len(expected)) <= 0.1 * RATE
    if format in ("wav", "flac"):
        np.testing.assert_allclose(audio, expected, atol=1e-4)
    else:  # of about the same power
        assert 0.5 < np.square(audio).sum() / np.square(expected).sum() < 1.5


def test_what_does_not_fit_is_made_quieter_and_said():
    loud = np.linspace(-2, 2, 4001, dtype=np.float32)
    for format in ("wav", "flac", "pcm", "mp3"):
        assert encode(loud, RATE, format, MADE).gain_db == pytest.approx(-6.02, abs=0.01)
    whole, _ = soundfile.read(io.BytesIO(encode(loud, RATE, "wav", MADE, "FLOAT").contents))
    np.testing.assert_array_equal(whole.astype(np.float32), loud)
    with pytest.raises(ValueError, match="3 channels"):
        encode(np.zeros((9, 3), np.float32), RATE, "mp3", MADE)
    for rate, held in ((44100, 48000), (7999, 8000)):
        made = encode(np.zeros(rate, np.float32), rate, "opus", MADE).contents
        assert soundfile.info(io.BytesIO(made)).samplerate == held


def test_a_scene_is_delivered_as_the_command_line_does(client, pipeline, tmp_path):
    asked = {"loudness": -16, "true_peak": -2, "sample_rate": 48000, "channels": 2}
    answer = scene(client, response_format="flac", **asked)
    audio, rate = decoded(answer)
    made = Delivery(-16, -2, 48000, 2).apply(alone(pipeline, StructuredCaption(**SCENE)), RATE)
    assert (rate, audio.shape) == (48000, (48000, 2))
    np.testing.assert_allclose(audio, made.samples, atol=1e-3)
    read = measure(answer.content)
    assert abs(read.loudness + 16) < 0.5 and read.true_peak < -2
    assert written(tmp_path, answer.content)["delivery"] == asked
    assert (answer.headers["x-sample-rate"], answer.headers["x-channels"]) == ("48000", "2")
    assert "LUFS" in answer.headers["x-changes"] and "x-changes" not in scene(client).headers
    raw = scene(client, response_format="pcm", loop=0.25, sample_rate=8000)
    assert raw.headers["x-sample-rate"] == "8000" and len(raw.content) == 2 * 6000
    opus = scene(client, response_format="opus", fade=0.1)
    assert soundfile.info(io.BytesIO(opus.content)).samplerate == RATE


def test_warnings_of_other_threads_are_not_told_here():
    thread = threading.Thread(target=lambda: warnings.warn("theirs", stacklevel=1))
    with pytest.warns(UserWarning, match="theirs") as others, own_warnings() as told:
        thread.start()
        thread.join()
        warnings.warn("mine", stacklevel=1)
    assert told == ["mine"] and len(others) == 1


def test_long_texts_in_headers_are_cut_between_characters():
    assert header("a é") == "a %C3%A9" and len(header("a" * 9000)) == 4000
    assert urllib.parse.unquote(header("a" + "é" * 900), errors="strict") == "a" + "é" * 666


def test_a_sentence_is_refined(client):
    sentence = "A man says “seven” while a dog barks"
    answer = client.post(
        "/v1/audio/scenes",
        json={"prompt": sentence, "refine": True, "duration": 1, "response_format": "pcm"},
    )
    assert answer.headers["x-prompt"].endswith("<|asr|> seven <|sfx|> a dog barks")
    assert len(answer.content) == 2 * RATE


def test_clients_at_the_same_time_get_their_own(pipeline):
    asked = [(seed, text) for seed in (3, 4) for text in ("A dog", "A cat")]
    with (
        serving(pipeline, max_batch=4, gather_ms=10_000) as client,
        concurrent.futures.ThreadPoolExecutor(len(asked)) as pool,
    ):
        answers = pool.map(lambda row: scene(client, caption=scenery(row[1]), seed=row[0]), asked)
        made = [decoded(answer)[0] for answer in answers]
        counts = client.get("/metrics").text.splitlines()
    for (seed, text), audio in zip(asked, made, strict=True):
        caption = StructuredCaption(**{**SCENE, "caption": scenery(text)})
        np.testing.assert_allclose(audio, alone(pipeline, caption, seed), atol=1e-4)
    assert "audiogen_batch_size_sum 4.0" in counts and "audiogen_batch_size_count 1.0" in counts


@pytest.mark.slow  # windows are programs of their own
def test_a_timeline_of_captions(client):
    entries = [
        {"start": 0, "end": 0.5, "view": "caption", "text": "rain"},
        {"start": 0.5, "end": 1, "view": "caption", "text": "a dog barking"},
    ]
    answer = client.post("/v1/audio/scenes", json={"timeline": entries})
    assert len(decoded(answer)[0]) == RATE


def test_a_long_scene_comes_window_by_window(client, pipeline, tmp_path):
    window = pipeline.generator.window / pipeline.generator.latent_rate
    seconds = window + 1.01
    body = {"caption": "rain", "duration": seconds, "stream": True, "seed": 1}
    with client.stream("POST", "/v1/audio/scenes", json=body) as answer:
        assert "content-length" not in answer.headers
        contents = b"".join(answer.iter_bytes())
    record = written(tmp_path, contents)
    assert (record["prompt"], record["seed"]) == ("<|caption|> rain", 1)
    audio, rate = soundfile.read(io.BytesIO(contents), dtype="float32")
    windows = [*continued(pipeline, StructuredCaption("rain"), seconds, 1, QUICK)]
    expected = np.concatenate(windows)
    assert len(windows) == 2 and rate == RATE and len(expected) == round(seconds * RATE)
    np.testing.assert_allclose(audio, expected.clip(-1, 1), atol=1e-4)
    (first,) = pipeline.generate("rain", seed=1, steps=1, duration=window)
    np.testing.assert_allclose(windows[0], first.audio[: len(windows[0])], atol=1e-4)
    asked = {"sample_rate": 22050, "channels": 2}
    contents = client.post("/v1/audio/scenes", json={**body, **asked}).content
    assert written(tmp_path, contents)["delivery"] == asked
    audio, rate = soundfile.read(io.BytesIO(contents), dtype="float32")
    whole = Delivery(**asked).apply(expected, RATE).samples
    assert rate == 22050 and audio.shape == whole.shape
    np.testing.assert_allclose(audio, whole.clip(-1, 1), atol=1e-4)


def test_models_health_and_counts(client):
    models = client.get("/v1/models").json()["data"]
    assert [model["id"] for model in models] == ["nano", "tts-1"]
    assert client.get("/v1/models/tts-1").json() == models[1]
    assert models[0]["sample_rate"] == RATE and models[0]["edits"] is False
    assert client.get("/health").json()["status"] == "ok"
    client.get("/nothing/here")
    text = client.get("/metrics").text
    assert 'audiogen_requests_total{path="/health",status="200"}' in text
    assert 'audiogen_requests_total{path="other",status="404"} ' in text
    assert "nothing" not in text and "audiogen_waiting 0.0" in text


def test_what_the_model_cannot_do(client):
    files = {"file": ("a.wav", b"RIFF", "audio/wav")}
    edit = client.post("/v1/audio/edits", files=files, data={"kind": "remove", "what": "rain"})
    ask = client.post("/v1/audio/understanding", files=files, data={"question": "What?"})
    for answer, message in ((edit, "edits nothing"), (ask, "answers no questions")):
        assert answer.status_code == 501 and message in answer.json()["error"]["message"]


def test_the_key(pipeline):
    with serving(pipeline, api_key=f"{KEY}\n") as client:  # as files have it
        assert client.get("/health").status_code == 200
        for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {KEY}"}):
            headers = {name: value.encode() for name, value in headers.items()}
            for path in ("/v1/models", "/metrics"):
                answer = client.get(path, headers=headers)
                assert answer.status_code == 401
                assert answer.json()["error"]["code"] == "invalid_api_key"
        headers = {"Authorization": f"Bearer {KEY}".encode()}
        assert client.get("/v1/models", headers=headers).status_code == 200


def test_a_deadline_and_a_full_queue(pipeline):
    with serving(pipeline, deadline=1e-4, max_waiting=1) as client:
        answer = scene(client)
        assert answer.status_code == 504
        assert answer.json()["error"]["code"] == "deadline_exceeded"
        client.app.state.service.batcher._waiting = 1  # type: ignore[attr-defined]
        answer = scene(client)
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
        client.app.state.service.batcher._waiting = 0  # type: ignore[attr-defined]
