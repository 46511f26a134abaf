"""A real server: OpenAI's client, slow and leaving clients, SIGTERM and kill -9."""

import concurrent.futures
import io
import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx2
import numpy as np
import pytest
import soundfile

import audiogen_jax as ag
from tests.serve.server_process import KEY, ServerProcess

pytestmark = pytest.mark.slow
QUICK = ("--port", "0", "--steps", "2", "--warm-up", "1", "--max-batch", "2")
HEADERS = {"Authorization": f"Bearer {KEY}"}
LONG = {"caption": "rain", "duration": 1, "steps": 100}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    options = (*QUICK, "--alias", "tts-1", "--body-timeout", "1")
    with ServerProcess(*options, log=tmp_path_factory.mktemp("log") / "log.txt") as server:
        yield server


@pytest.fixture(scope="module")
def web(server):
    with httpx2.Client(base_url=server.url, headers=HEADERS, timeout=120) as client:
        yield client


def until(happens, seconds=60):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.05)


def counted(web, name: str) -> float:
    rows = web.get("/metrics").text.splitlines()
    return sum(float(row.rsplit(" ", 1)[1]) for row in rows if row.startswith(name))


def test_the_client_of_openai(server, tmp_path):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        _speaks(openai, client, tmp_path)
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="no") as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()


def _speaks(openai, client, folder: Path):
    assert [model.id for model in client.models.list()] == ["nano", "tts-1"]
    asked = {"model": "tts-1", "voice": "onyx", "input": "seven"}
    spoken = client.audio.speech.create(
        **asked, instructions="calmly", response_format="wav", extra_body={"duration": 1.0}
    )
    audio, rate = soundfile.read(io.BytesIO(spoken.content), dtype="float32")
    who = "A man speaking in a deep voice, calmly"
    (alone,) = ag.load("nano").generate(
        ag.compose(f'{who} says "seven".', who.lower(), "seven"), steps=2, duration=1.0
    )
    np.testing.assert_allclose(audio, alone.audio, atol=1e-4)
    with client.audio.speech.with_streaming_response.create(**asked) as answer:
        answer.stream_to_file(folder / "seven.mp3")
    assert soundfile.info(folder / "seven.mp3").samplerate == rate
    for error, changes in (
        (openai.NotFoundError, {"model": "gpt-4o-mini-tts"}),
        (openai.BadRequestError, {"speed": 2.0}),
        (openai.BadRequestError, {"response_format": "aac"}),
    ):
        with pytest.raises(error) as refused:
            client.audio.speech.create(**{**asked, **changes})
        assert refused.value.param == next(iter(changes))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_of_the_page(server, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    blocks = "".join(re.findall(r"```bash\n(.*?)```", page, re.DOTALL))
    commands = [
        command
        for command in re.findall(r"^curl (?:.*\\\n)*.*$", blocks, re.MULTILINE)
        if "understanding" not in command  # nano does not answer
    ]
    assert len(commands) == 8
    noise = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    soundfile.write(tmp_path / "street.wav", noise, 16000)
    for command in commands:
        command = command.replace("localhost:8000", f"127.0.0.1:{server.port}")
        words = shlex.split(command.replace("\\\n", " "))
        words += ["-H", f"Authorization: Bearer {KEY}", "--fail"]
        subprocess.run(words, cwd=tmp_path, check=True, timeout=300)
    lengths = {path.name: soundfile.info(path).duration for path in tmp_path.iterdir()}
    made = {"seven.mp3", "scene.wav", "scene.flac", "story.wav", "long.wav", "podcast.wav"}
    assert set(lengths) == {*made, "street.wav", "quiet.wav"}
    assert (lengths["scene.flac"], lengths["story.wav"], lengths["long.wav"]) == (4, 6, 25)


def request_bytes(body: bytes, length: int) -> bytes:
    head = (
        "POST /v1/audio/scenes HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {length}\r\n\r\n"
    )
    return head.encode() + body


def test_a_slow_body(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request_bytes(b'{"caption": ', 500))
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ") and b"did not arrive within 1 s" in answer


def test_clients_that_leave_are_not_worked_for(server, web):
    before = counted(web, "audiogen_audio_seconds_total")
    body = json.dumps(LONG).encode()
    connections = []
    for _ in range(4):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(request_bytes(body, len(body)))
        connections.append(connection)
    until(lambda: web.get("/health").json()["waiting"] == 4)
    for connection in connections:
        connection.close()
    left = 'audiogen_requests_total{path="/v1/audio/scenes",status="499"}'
    until(lambda: counted(web, left) == 4)
    until(lambda: web.get("/health").json()["waiting"] == 0)
    assert counted(web, "audiogen_audio_seconds_total") == before


def test_sigterm_finishes_what_was_accepted(tmp_path):
    with (
        ServerProcess(*QUICK, "--drain", "100", log=tmp_path / "log.txt") as server,
        concurrent.futures.ThreadPoolExecutor(5) as pool,
    ):
        ask = lambda: httpx2.post(  # noqa: E731
            f"{server.url}/v1/audio/scenes", json=LONG, headers=HEADERS, timeout=120
        )
        answers = [pool.submit(ask) for _ in range(5)]
        until(lambda: httpx2.get(f"{server.url}/health").json()["waiting"] == 5)
        server.process.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in answers] == [200] * 5
        assert server.process.wait(60) == 0
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{server.url}/health")


def test_sigterm_with_too_little_time(tmp_path):
    with (
        ServerProcess(*QUICK, "--drain", "1", log=tmp_path / "log.txt") as server,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        body = {**LONG, "duration": 20}
        answer = pool.submit(
            httpx2.post, f"{server.url}/v1/audio/scenes", json=body, headers=HEADERS, timeout=120
        )
        until(lambda: httpx2.get(f"{server.url}/health").json()["waiting"] == 1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 75  # as other work that was not finished
        with pytest.raises(httpx2.HTTPError):
            answer.result().raise_for_status()
    assert "not all that was accepted was finished" in (tmp_path / "log.txt").read_text()


def test_after_a_kill_it_starts_again_at_the_same_port(tmp_path):
    with ServerProcess(*QUICK, log=tmp_path / "log.txt") as server:
        port = server.port
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(
                httpx2.post,
                f"{server.url}/v1/audio/scenes",
                json=LONG,
                headers=HEADERS,
                timeout=120,
            )
            until(lambda: httpx2.get(f"{server.url}/health").json()["waiting"] == 1)
            server.process.kill()
            with pytest.raises(httpx2.HTTPError):
                answer.result()
    options = (*QUICK, "--port", str(port))
    with ServerProcess(*options, log=tmp_path / "again.txt") as again:
        answer = httpx2.post(
            f"{again.url}/v1/audio/scenes",
            json={**LONG, "steps": 2},
            headers=HEADERS,
            timeout=120,
        )
        assert answer.status_code == 200
