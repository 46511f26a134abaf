"""An agent's client and the tools, in one process; and once over stdin and stdout."""

import asyncio
import json
import sys

import numpy as np
import pytest
import soundfile

from audiogen_jax.files.provenance import read_provenance
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.serve.tools import create_tools

mcp = pytest.importorskip("mcp")


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
