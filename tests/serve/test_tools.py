"""An agent's client and the tools, in one process; and once over stdin and stdout."""

import asyncio
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from audiogen_jax.evaluate.recognisers import speech_quality
from audiogen_jax.evaluate.recognisers.wheel_weights import NotInstalledError
from audiogen_jax.files.broadcast_wave import first_sample
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.export import export
from audiogen_jax.files.loudness import integrated_loudness
from audiogen_jax.files.provenance import MadeWith, Provenance, read_provenance
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.requests import Clip
from audiogen_jax.serve import tools
from audiogen_jax.serve.tools import create_tools
from audiogen_jax.signatures import documented_fields

mcp = pytest.importorskip("mcp")
MADE = Provenance("edit", MadeWith("other", "0" * 64))


def call(server, tool: str, **arguments):
    async def ask():
        async with mcp.Client(server) as client:
            return await client.call_tool(tool, arguments)

    return asyncio.run(ask())


def test_what_is_offered(pipeline, tmp_path):
    async def names(server):
        async with mcp.Client(server) as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    assert asyncio.run(names(create_tools(pipeline, tmp_path))) == {"generate", "score"}
    more = create_tools(pipeline, tmp_path, lambda question, audio: "rain")
    assert asyncio.run(names(more)) == {"generate", "score", "understand"}


def test_a_sound_is_made_heard_and_measured(pipeline, tmp_path):
    heard = []

    def understand(question, audio):
        heard.append((question, audio.audio.shape, audio.sample_rate))
        return "rain"

    server = create_tools(pipeline, tmp_path / "sounds", understand, SamplingOptions(steps=1))
    prompt = 'A man says "seven".'
    made = call(server, "generate", prompt=prompt, name="a.wav", duration=1, seed=2)
    content = made.structured_content
    samples, rate = soundfile.read(content["file"])
    assert (len(samples) / rate, content["seconds"], content["seed"]) == (1, 1, 2)
    assert "<|asr|> seven" in content["prompt"]
    record = read_provenance(content["file"])
    assert (record["prompt"], record["seed"]) == (content["prompt"], 2)
    (expected,) = pipeline.generate(content["prompt"], seed=2, duration=1, steps=1)
    np.testing.assert_allclose(samples, expected.audio, atol=1e-4)
    answer = call(server, "understand", recording="a.wav", question="What is heard?")
    assert answer.content[0].text == "rain" and heard == [("What is heard?", (rate, 1), rate)]
    score = call(server, "score", recording=content["file"]).structured_content
    assert score["peak_dbfs"] == pytest.approx(20 * np.log10(np.abs(samples).max()), abs=0.06)
    assert 1 <= score["speech"]["overall"] <= 5


def test_delivery_is_that_of_the_command_line(pipeline, tmp_path):
    server = create_tools(pipeline, tmp_path, options=SamplingOptions(steps=1))

    async def listed():
        async with mcp.Client(server) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

    shown = asyncio.run(listed())["generate"].input_schema["properties"]
    for field in documented_fields(Delivery):
        assert shown[field.name]["description"] == field.text
        assert shown[field.name]["default"] == field.default
    asked = {"prompt": "rain", "name": "a.wav", "duration": 1, "seed": 2}
    delivery = {"loudness": -20, "sample_rate": 24000, "channels": 2, "loop": 0.25}
    made = call(server, "generate", **asked, **delivery).structured_content
    samples, rate = soundfile.read(made["file"])
    assert (samples.shape, rate) == ((18000, 2), 24000)
    assert (made["seconds"], made["sample_rate"], made["channels"]) == (0.75, 24000, 2)
    assert integrated_loudness(samples.astype(np.float32), rate) == pytest.approx(-20, abs=0.5)
    assert read_provenance(made["file"])["delivery"] == delivery
    assert any("LUFS" in change for change in made["changes"])
    for wrong, message in (
        ({"loop": 0.7}, "shorter than two crossfades"),
        ({"loudness": 3}, "loudness=3"),
        ({"fade": 0.1, "loop": 0.1}, "give one"),
        ({"loudnes": -16}, "loudnes"),
    ):
        refused = call(server, "generate", **{**asked, "name": "b.wav"}, **wrong)
        assert refused.is_error and message in refused.content[0].text
    assert not (tmp_path / "b.wav").exists()


def test_one_name_asked_for_twice_is_one_file(pipeline, tmp_path):
    server = create_tools(pipeline, tmp_path, options=SamplingOptions(steps=1))

    async def ask():
        async with mcp.Client(server) as client:
            asked = {"prompt": "rain " * 200, "name": "a.wav", "duration": 1}
            calls = (client.call_tool("generate", {**asked, "seed": seed}) for seed in (1, 2))
            return await asyncio.gather(*calls)

    made, other = sorted(asyncio.run(ask()), key=lambda result: bool(result.is_error))
    assert not made.is_error and "exists: choose another name" in other.content[0].text
    (warning,) = made.structured_content["warnings"]
    assert "more than the 128 tokens that the model reads" in warning
    assert read_provenance(tmp_path / "a.wav")["seed"] == made.structured_content["seed"]


def test_recordings_keep_their_channels_and_place(tmp_path, monkeypatch):
    """By an editor that changes nothing."""
    monkeypatch.setattr(tools, "made_with", lambda editor: MADE.made_with)
    monkeypatch.setattr(speech_quality, "SpeechRatings", absent)
    recording = np.stack([0.5 * np.ones(8000), np.zeros(8000)], axis=1).astype(np.float32)
    editor = SimpleNamespace(
        edits=True,
        edit=lambda kind, audio, rate, **asked: Clip(audio, rate, "0", asked["what"], 0),
        editing_options=lambda kind: SamplingOptions(),
        settled=lambda options: options,
    )
    placed = export(recording, 16000, ".wav", MADE, time_reference=1000).contents
    (tmp_path / "in.wav").write_bytes(placed)
    server = create_tools(editor, tmp_path)
    asked = {"recording": "in.wav", "kind": "remove", "what": "rain"}
    made = call(server, "edit", **asked, name="out.wav").structured_content
    assert (made["channels"], made["peak_dbfs"]) == (2, -6.0)
    assert first_sample(tmp_path / "out.wav") == 1000
    placed = call(server, "edit", **asked, name="mono.wav", channels=1).structured_content
    assert (placed["channels"], placed["peak_dbfs"]) == (1, -12.0)
    score = call(server, "score", recording="out.wav").structured_content
    assert (score["channels"], score["peak_dbfs"], score["why"]) == (2, -6.0, "not here")


def absent():
    raise NotInstalledError("not here")


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("generate", {"prompt": "rain", "name": "../a.wav"}, "expected a file name alone"),
        ("generate", {"prompt": "rain", "name": "a.xyz"}, "a.xyz"),
        ("generate", {"prompt": "rain", "name": "here.wav"}, "exists: choose another name"),
        ("generate", {"prompt": " ", "name": "b.wav"}, "nothing to refine"),
        ("generate", {"prompt": "rain", "name": "b.wav", "duration": -1}, "greater than 0"),
        ("generate", {"prompt": "rain", "name": "b.wav", "seed": 2**32}, "less than 4294967296"),
        ("score", {"recording": "absent.wav"}, "no recording 'absent.wav'"),
        ("score", {"recording": "text.wav"}, "text.wav"),
    ],
)
def test_errors_are_answers(pipeline, tmp_path, tool, arguments, message):
    (tmp_path / "here.wav").write_bytes(b"mine")
    (tmp_path / "text.wav").write_text("no sound")
    result = call(create_tools(pipeline, tmp_path), tool, **arguments)
    assert result.is_error and message in result.content[0].text
    assert (tmp_path / "here.wav").read_bytes() == b"mine"
    assert not (tmp_path / "b.wav").exists()


@pytest.mark.slow
def test_over_stdin_and_stdout(tmp_path):
    command = "from audiogen_jax.cli import main; main()"
    parameters = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-c", command, "mcp", "--steps", "2", "--folder", str(tmp_path)],
    )

    async def ask():
        async with mcp.Client(mcp.stdio_client(parameters)) as client:
            arguments = {"prompt": "A dog barks.", "name": "dog.wav", "duration": 1}
            return await client.call_tool("generate", arguments)

    made = asyncio.run(ask())
    assert not made.is_error, made.content
    assert json.loads(made.content[0].text)["seconds"] == 1
    assert (tmp_path / "dog.wav").is_file()
