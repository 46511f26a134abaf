"""The node of ComfyUI against a real server."""

import dataclasses

import numpy as np
import pytest

from audiogen_jax.files.delivery import Delivery
from audiogen_jax.infer.options import SamplingOptions
from launch.comfyui_node import DELIVERY, AudioScene, asked, scene
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
    given = {**dict.fromkeys(DELIVERY, 0), "sample_rate": 8000, "channels": 2, "fade": 0.1}
    delivered, rate = scene(server, {**asked(1.0, caption="rain", env="rain", **given), "seed": 3})
    assert delivered.shape == (2, 8000) and rate == 8000
    assert np.abs(delivered[:, :80]).max() < np.abs(delivered[:, 4000:4080]).max() / 10
    next(serving, None)


def test_errors_of_a_proxy_are_told(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Stub.mood = lambda body: 502
    with chat_server() as address, pytest.raises(RuntimeError, match="answers 502: b'busy'"):
        scene(address.removesuffix("/v1"), {})


def test_what_the_node_shows():
    assert [*DELIVERY] == [field.name for field in dataclasses.fields(Delivery)]
    for name, (_, field) in DELIVERY.items():
        for bound in {field["min"], field["max"]} - {0}:
            Delivery(**{name: bound, **({"loudness": -16} if name == "true_peak" else {})})
    assert asked(0.0, caption="rain", speech=" ", loudness=-16.0, channels=0) == {
        "caption": "rain",
        "loudness": -16.0,
    }
    required = AudioScene.INPUT_TYPES()["required"]
    assert list(required)[:2] == ["caption", "speech"] and required["seed"][0] == "INT"
