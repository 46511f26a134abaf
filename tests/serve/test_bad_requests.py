"""Whatever clients send: a 4xx in OpenAI's form that names what is wrong, never a 500."""

import json

import pytest

SPEECH, SCENES = "/v1/audio/speech", "/v1/audio/scenes"
EDITS, ASK = "/v1/audio/edits", "/v1/audio/understanding"
SAY = {"model": "nano", "input": "seven", "voice": "alloy"}


def say(**changes: object) -> dict[str, object]:
    return {"json": {**SAY, **changes}}


def scene(**changes: object) -> dict[str, object]:
    return {"json": {"caption": "rain", "duration": 1, **changes}}


def raw(content: bytes, kind: str = "application/json") -> dict[str, object]:
    return {"content": content, "headers": {"Content-Type": kind}}


def form(name: str = "a.wav", **fields: object) -> dict[str, object]:
    data = {"kind": "remove", "what": "rain", **fields}
    return {"files": {"file": (name, b"no audio", "audio/wav")}, "data": data}


ENTRY = {"start": 0, "end": 1, "view": "caption", "text": "rain"}
BAD = {
    # case: (path, request, status, parameter or None, words of the message)
    "no body": (SPEECH, {}, 415, None, "application/json"),
    "empty body": (SPEECH, raw(b""), 400, None, "required"),
    "no json": (SPEECH, raw(b"{"), 400, None, "not JSON"),
    "bytes": (SPEECH, raw(b"\xff\xfe\x00"), 400, None, ""),
    "json of another type": (SPEECH, raw(b"[1, 2]"), 400, None, "dictionary"),
    "null": (SPEECH, raw(b"null"), 400, None, ""),
    "a deep json": (SPEECH, raw(b"[" * 60000), 400, None, ""),
    "text": (SPEECH, raw(json.dumps(SAY).encode(), "text/plain"), 415, None, "text/plain"),
    "a form": (SPEECH, {"data": SAY}, 415, None, "x-www-form-urlencoded"),
    "too large": (SPEECH, say(input="a" * 300_000), 413, None, "larger than"),
    "a wrong length": (
        SPEECH,
        {"content": b"{}", "headers": {"Content-Length": "99999999999999"}},
        413,
        None,
        "larger than",
    ),
    "no input": (SPEECH, {"json": {"model": "nano", "voice": "alloy"}}, 400, "input", "required"),
    "empty input": (SPEECH, say(input=""), 400, "input", "expected words"),
    "blank input": (SPEECH, say(input=" \n"), 400, "input", "expected words"),
    "a number as input": (SPEECH, say(input=7), 400, "input", "valid string"),
    "a long input": (SPEECH, say(input="a" * 4097), 400, "input", "at most 4096"),
    "more than is read": (SPEECH, say(input="seven " * 600), 400, None, "more tokens"),
    "tags in the input": (SPEECH, say(input="<|asr|> no"), 400, "input", "tag"),
    "half a character": (SPEECH, raw(rb'{"model":"nano","voice":"alloy","input":"\ud800"}'), 400,
                         "input", ""),
    "half a character in a key": (SPEECH, raw(rb'{"model":"nano","voice":"alloy","input":"a",'
                                              rb'"\ud800":1}'), 400, None, "unicode"),
    "an unknown key": (SPEECH, say(pitch=1), 400, "pitch", "not permitted"),
    "an unknown model": (SPEECH, say(model="gpt-9"), 404, "model", "gpt-9"),
    "an unknown voice": (SPEECH, say(voice="bob"), 400, "voice", "alloy"),
    "a voice of an account": (SPEECH, say(voice={"id": "voice_1"}), 400, "voice", "string"),
    "a speed": (SPEECH, say(speed=2), 400, "speed", "its own speed"),
    "a speed out of range": (SPEECH, say(speed=9.0), 400, "speed", "less than or equal to 4"),
    "NaN": (SPEECH, raw(b'{"model":"nano","voice":"alloy","input":"a","speed":NaN}'), 400,
            "speed", "finite"),
    "infinity": (SCENES, raw(b'{"caption":"rain","duration":1e999}'), 400, "duration", "finite"),
    "aac": (SPEECH, say(response_format="aac"), 400, "response_format", "cannot be written"),
    "an unknown format": (SPEECH, say(response_format="exe"), 400, "response_format", "'mp3'"),
    "an unknown stream": (SPEECH, say(stream_format="ws"), 400, "stream_format", "'sse'"),
    "a negative seed": (SCENES, scene(seed=-1), 400, "seed", "greater than or equal to 0"),
    "a large seed": (SCENES, scene(seed=2**32), 400, "seed", "less than"),
    "a seed without end": (SCENES, raw(b'{"caption":"a","seed":' + b"9" * 5000 + b"}"), 400,
                           None, ""),
    "a text as seed": (SCENES, scene(seed="1"), 400, "seed", "valid integer"),
    "a bool as seed": (SCENES, scene(seed=True), 400, "seed", "valid integer"),
    "no steps": (SCENES, scene(steps=0), 400, "steps", "greater than or equal to 1"),
    "many steps": (SCENES, scene(steps=101), 400, "steps", "at most 100"),
    "negative guidance": (SCENES, scene(guidance=-1), 400, "guidance", "greater than"),
    "no duration": (SCENES, scene(duration=0), 400, "duration", "greater than 0"),
    "too short": (SCENES, scene(duration=1e-6), 400, None, "must be between"),
    "too long": (SCENES, scene(duration=31), 400, "duration", "at most 30"),
    "nothing to make": (SCENES, {"json": {}}, 400, "caption", "nothing to make"),
    "a prompt and views": (SCENES, scene(prompt="wind"), 400, "prompt", "either"),
    "an unknown tag": (SCENES, {"json": {"prompt": "<|smell|> tar"}}, 400, "prompt", "unknown tag"),
    "refined views": (SCENES, scene(refine=True, env="rain"), 400, "caption", "one sentence"),
    "a timeline that is none": (SCENES, scene(timeline="now"), 400, "timeline", "list"),
    "an event without end": (SCENES, scene(timeline=[{"start": 0, "view": "sfx"}]), 400,
                             "timeline.0.end", "required"),
    "an event backwards": (SCENES, scene(timeline=[{**ENTRY, "start": 2}]), 400, "timeline",
                           "start < end"),
    "an unknown view": (SCENES, scene(timeline=[{**ENTRY, "view": "x"}]), 400, "timeline", "view"),
    "times that the model does not take": (
        SCENES, scene(timeline=[{**ENTRY, "view": "sfx"}]), 400, None, "not trained with times"),
    "a late event": (SCENES, scene(timeline=[{**ENTRY, "end": 5}]), 400, None, "ends after"),
    "a stream of mp3": (SCENES, scene(stream=True, response_format="mp3"), 400, "response_format",
                        "wav and pcm"),
    "a stream without end": (SCENES, {"json": {"caption": "rain", "stream": True}}, 400,
                             "duration", "needs a duration"),
    "a stream with times": (SCENES, scene(stream=True, timeline=[{**ENTRY, "view": "sfx"}]), 400,
                            None, "not trained with times"),
    "a stream with a late event": (SCENES, scene(stream=True, timeline=[{**ENTRY, "end": 5}]), 400,
                                   None, "ends after"),
    "a stream that has no caption at its end": (
        SCENES, {"json": {"timeline": [ENTRY], "duration": 25, "stream": True}}, 400, None,
        "no caption from 1 to 25 s"),
    "a stream of more than is read": (SCENES, scene(stream=True, caption="rain " * 600), 400, None,
                                      "more tokens"),
    "a stream at a loudness": (SCENES, scene(stream=True, loudness=-16, fade=1, channels=2), 400,
                               "loudness", "loudness, fade needs the whole clip"),
    "a loudness of speech": (SPEECH, say(loudness=-16), 400, "loudness", "not permitted"),
    "a loud loudness": (SCENES, scene(loudness=3), 400, "loudness", "a number from -70 to 0"),
    "a text as loudness": (SCENES, scene(loudness="-16"), 400, "loudness", "valid number"),
    "a peak that is none": (SCENES, raw(b'{"caption":"rain","true_peak":NaN}'), 400, "true_peak",
                            "finite"),
    "a rate between": (SCENES, scene(sample_rate=44100.5), 400, "sample_rate", "integer"),
    "a low rate": (SCENES, scene(sample_rate=7999), 400, "sample_rate", "from 8000 to"),
    "three channels": (SCENES, scene(channels=3), 400, "channels", "from 1 to 2"),
    "a fade backwards": (SCENES, scene(fade=-1), 400, "fade", "from 0 to 60"),
    "a loop with ends": (SCENES, scene(fade=0.1, loop=0.1), 400, None, "a loop has no ends"),
    "a loop longer than its clip": (SCENES, scene(loop=0.6), 400, "loop", "two crossfades"),
    "a rate that opus does not hold": (SCENES, scene(sample_rate=44100, response_format="opus"),
                                       400, "sample_rate", ".opus does not hold it, but 48000"),
    "a form with a loud loudness": (EDITS, form(loudness="1"), 400, "loudness", "from -70 to 0"),
    "an edit in json": (EDITS, say(), 415, None, "multipart/form-data"),
    "no file": (EDITS, {"files": {"kind": (None, "remove")}}, 400, "file", "required"),
    "a text as file": (EDITS, {"files": {"file": (None, "x"), "kind": (None, "add"),
                                         "what": (None, "y")}}, 400, "file", "UploadFile"),
    "an unknown edit": (EDITS, form(kind="burn"), 400, "kind", "'remove'"),
    "an unknown field": (EDITS, form(path="../../etc/passwd"), 400, "path", "not permitted"),
    "a broken form": (EDITS, raw(b"--x\r\nnothing", "multipart/form-data; boundary=y"), 400, None,
                      ""),
    "a form without boundary": (EDITS, raw(b"--x", "multipart/form-data"), 400, None, ""),
    "no question": (ASK, form(), 400, "question", "required"),
    "an unknown path": ("/v1/../../etc/passwd", {"json": {}}, 404, None, "nothing at"),
    "another unknown path": ("/v1/models/%2e%2e%2fetc", None, 404, "model", "no model"),
    "a wrong method": (SPEECH, None, 405, None, "takes no GET"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_requests(client, case: str):
    path, request, status, param, words = BAD[case]
    answer = client.get(path) if request is None else client.post(path, **request)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert words in error["message"] and error["type"] == "invalid_request_error"
    assert param is None or error["param"] == param


def test_the_server_still_works(client):
    assert client.post(SCENES, **scene()).status_code == 200
