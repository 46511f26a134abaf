"""Graphs of ONNX as embedders: what they hear is what their specification says."""

import json
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.evaluate.embedders.embedder import Classifier, TextEmbedder
from audiogen_jax.evaluate.embedders.front_ends import clap_log_mel, whisper_log_mel
from audiogen_jax.evaluate.embedders.onnx import OnnxEmbedder, OnnxSpec
from audiogen_jax.evaluate.embedders.registry import embedder
from tests.evaluate.embedders.graphs import FLOAT, save_clap, save_graph, save_levels

FRONT_ENDS = np.load(Path(__file__).parent / "golden" / "front_ends.npz")
CLIP = 0.1 * np.random.default_rng(0).standard_normal(2500)


def test_front_ends_are_those_of_transformers():
    """Of three seconds of noise, by ClapFeatureExtractor and WhisperFeatureExtractor."""
    noise = 0.1 * np.random.RandomState(7).standard_normal(144000)
    mel = clap_log_mel(noise.astype(np.float32))
    assert mel.shape == (1001, 64)
    np.testing.assert_allclose(mel[::100], FRONT_ENDS["clap"], atol=2e-3)
    noise = (0.1 * np.random.RandomState(8).standard_normal(48000)).astype(np.float32)
    assert whisper_log_mel(noise).shape == (80, 3000)
    np.testing.assert_allclose(whisper_log_mel(noise)[:, ::300], FRONT_ENDS["whisper"], atol=1e-4)
    np.testing.assert_allclose(
        whisper_log_mel(noise, 128)[::16, ::300], FRONT_ENDS["whisper_128"], atol=1e-4
    )


def test_whole_clips_and_windows(tmp_path):
    path = save_levels(tmp_path / "levels.onnx")
    whole = OnnxEmbedder(path, OnnxSpec("levels", 1000))
    np.testing.assert_allclose(
        whole.embed([CLIP], 1000).values, [[CLIP.mean(), (CLIP**2).mean()]], rtol=1e-5
    )
    cut = OnnxEmbedder(path, OnnxSpec("levels", 1000, window=1.0))
    means = [CLIP[start : start + 1000].mean() for start in (0, 1000, 1500)]
    short = np.pad(CLIP[:300], (0, 700))
    values = cut.embed([CLIP, CLIP[:300]], 1000).values
    np.testing.assert_allclose(values[:, 0], [np.mean(means), short.mean()], rtol=1e-5)
    frames = OnnxEmbedder(path, OnnxSpec("levels", 1000, output="frames"))
    np.testing.assert_allclose(frames.embed([CLIP], 1000).values, [[CLIP.mean()]], rtol=1e-5)
    assert len({each.identity for each in (whole, cut, frames)}) == 3
    named = [OnnxSpec("levels", 1000, output=o, layer="top") for o in ("frames", "levels")]
    assert len({OnnxEmbedder(path, spec).identity for spec in named}) == 2


def test_the_specification_stands_beside_the_graph(tmp_path):
    path = save_levels(tmp_path / "levels.onnx", 500)
    with pytest.raises(ValueError, match="levels.json is missing, which says .* sample_rate"):
        embedder(f"onnx={path}")
    spec = {"name": "levels", "sample_rate": 500, "window": 1, "hop": 0.5}
    (tmp_path / "levels.json").write_text(json.dumps(spec))
    named = embedder(f"onnx={path}")
    assert named.identity.name == "levels" and "0.5 s apart" in named.identity.pooling
    assert named.embed([CLIP], 500).values.shape == (1, 2)
    (tmp_path / "levels.onnx_data").write_bytes(b"weights")
    assert embedder(f"onnx={path}").identity.weights_sha256 != named.identity.weights_sha256
    for wrong, why in (
        ({"rate": 1}, "levels.json: unknown config key 'rate'"),
        ({"sample_rate": 0}, "sample_rate=0: expected at least 1"),
        ({"front_end": "mel"}, "front_end='mel': expected waveform, clap"),
        ({"front_end": "whisper"}, "whisper is of 16000 Hz"),
        ({"front_end": "whisper", "sample_rate": 16000, "window": 40}, "at most the 30"),
        ({"hop": 2}, "hop=2.0: expected no more than window=1.0"),
        ({"output": "last"}, "no output 'last': it has levels, frames"),
    ):
        (tmp_path / "levels.json").write_text(json.dumps({**spec, **wrong}))
        with pytest.raises(ValueError, match=why):
            embedder(f"onnx={path}")


def test_what_a_graph_cannot_do(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="broken.onnx is no model that onnxruntime runs"):
        embedder(f"utmos={tmp_path / 'broken.onnx'}")
    fixed = OnnxEmbedder(save_levels(tmp_path / "a.onnx", 500), OnnxSpec("levels", 1000))
    with pytest.raises(ValueError, match=r"audio is \[1, 500\], and was given \[1, 2500\]"):
        fixed.embed([CLIP], 1000)
    node = ("Log", ["audio"], ["logs"], {})
    save_graph(tmp_path / "log.onnx", [node], {"audio": (FLOAT, ["n"])}, {"logs": (FLOAT, ["n"])})
    with pytest.raises(ValueError, match="log.onnx gives NaN or infinite values as logs"):
        embedder(f"utmos={tmp_path / 'log.onnx'}").embed([CLIP], 16000)
    inputs = {name: (FLOAT, ["n"]) for name in ("audio", "other")}
    node = ("Add", ["audio", "other"], ["sum"], {})
    save_graph(tmp_path / "two.onnx", [node], inputs, {"sum": (FLOAT, ["n"])})
    with pytest.raises(ValueError, match="reads audio, other: expected one input"):
        embedder(f"utmos={tmp_path / 'two.onnx'}")


def test_clap(tmp_path):
    clap = embedder(f"clap={save_clap(tmp_path)}")
    tone = 0.1 * np.sin(np.arange(12 * 48000) / 10)
    values = clap.embed([tone, tone[:48000]], 48000).values
    windows = [clap_log_mel(each).mean(axis=0) for each in (tone[:480000], tone[-480000:])]
    units = [each / np.linalg.norm(each) for each in windows]
    np.testing.assert_allclose(values[0], sum(units) / np.linalg.norm(sum(units)), atol=1e-6)
    assert isinstance(clap, TextEmbedder) and not isinstance(clap, Classifier)
    texts = clap.embed_texts(["a dog barks", "a"])
    np.testing.assert_allclose(texts.values[0, :4], [0, 3**-0.5, 3**-0.5, 3**-0.5], atol=1e-6)
    assert texts.identity.weights_sha256 == clap.identity.weights_sha256
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + " ")
    changed = embedder(f"clap={tmp_path}").identity.weights_sha256
    assert changed != clap.identity.weights_sha256
    with pytest.raises(ValueError, match="no texts"):
        clap.embed_texts([])
    with pytest.warns(UserWarning, match="1 of 2 texts have more than the 77 tokens"):
        clap.embed_texts(["a dog barks " * 40, "a"])
    with pytest.raises(ValueError, match=r"{'truncation': 'fusion'}: expected \['rand_trunc'\]"):
        embedder(f"clap={save_clap(tmp_path / 'fused', truncation='fusion')}")
    with pytest.raises(FileNotFoundError, match="no folder absent, nor owner/name of a hub"):
        embedder("clap=absent")
