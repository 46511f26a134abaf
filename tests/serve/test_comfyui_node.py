"""The node of ComfyUI against a real server."""

import numpy as np
import pytest

from audiogen_jax.infer.options import SamplingOptions
from launch.comfyui_node import AudioScene, scene
from tests.chat_stub import Stub, chat_server
from tests.serve.test_page import serve


def test_a_scene_by_way_of_the_server(pipeline, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    serving = serve(pipeline, SamplingOptions(steps=1))
    server = next(serving)
    body = {"caption": "rain", "env": "rain", "duration": 1, "seed": 3}
    samples, rate = scene(server, body)
    (expected,) = pipeline.generate("<|caption|> rain <|env|> rain", seed=3, duration=1, steps=1)
    assert samples.shape == (1, rate)
    np.testing.assert_allclose(samples[0], expected.audio, atol=1e-4)
    with pytest.raises(RuntimeError, match="duration"):
        scene(server, {**body, "duration": 10_000})
    next(serving, None)


def test_errors_of_a_proxy_are_told(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Stub.mood = lambda body: 502
    with chat_server() as address, pytest.raises(RuntimeError, match="answers 502: b'busy'"):
        scene(address.removesuffix("/v1"), {})


def test_what_the_node_shows():
    required = AudioScene.INPUT_TYPES()["required"]
    assert list(required)[:2] == ["caption", "speech"] and required["seed"][0] == "INT"
