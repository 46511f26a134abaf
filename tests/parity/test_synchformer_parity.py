"""Synchformer's visual half against tensors made with the release's."""

import dataclasses
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.flax import load_file

from audiogen_jax.checkpoints.synchformer import (
    load_synchformer,
    synchformer_layout,
    synchformer_template,
)
from audiogen_jax.models.omni import synchformer
from audiogen_jax.models.omni.synchformer import SynchformerConfig, sync_features
from tests.parity.thinker import AUDIO_OMNI, distance, formula, io, meta

TOLERANCE = 1e-5


class Memory:
    """Tensors at hand, as a checkpoint."""

    def __init__(self, tensors):
        self._tensors, self.path = tensors, AUDIO_OMNI / "synchformer.weights.safetensors"

    def shapes(self):
        return {name: tensor.shape for name, tensor in self._tensors.items()}

    def read(self, name):
        return np.asarray(self._tensors[name])

    def check_floating(self, names):
        pass

    def verify(self):
        pass

    def layout(self, released):
        return released


@pytest.fixture(scope="module")
def tensors():
    return load_file(AUDIO_OMNI / "synchformer.weights.safetensors")


@pytest.fixture(scope="module")
def small(tensors):
    """(configuration, parameters, frames) of 64 x 64 pixels; the file's other half is ignored."""
    fields = {field.name for field in dataclasses.fields(SynchformerConfig)}
    sizes = {k: v for k, v in meta("synchformer")["config"].items() if k in fields}
    config = SynchformerConfig(**sizes, image_size=64)
    surplus = {
        "vfeat_extractor.pos_embed": jnp.asarray(io("synchformer")["in.small.pos_embed"]),
        "afeat_extractor.anything": jnp.zeros(3),
    }
    return config, load_synchformer(Memory({**tensors, **surplus}), config), frames(40, 64, 13)


def frames(count: int, size: int, s: int) -> np.ndarray:
    return formula(count, size, size, s).astype(np.float32) / 127.5 - 1


def features(small, count: int = 40):
    config, params, video = small
    return jax.jit(lambda p, v: sync_features(config, p, v))(params, video[:count])


@pytest.mark.parametrize("count", [40, 39, 16])
def test_features(small, count):
    golden = io("synchformer")["out.small.features" + ("" if count == 40 else f"_T{count}")]
    assert distance(features(small, count), golden[0]) < TOLERANCE


def test_black(small):
    config, params, _ = small
    run = jax.jit(lambda p, v: sync_features(config, p, v))
    black = run(params, jnp.full((16, 64, 64, 3), -1.0))
    assert distance(black, io("synchformer")["out.small.black"][0]) < TOLERANCE


@pytest.mark.slow
def test_the_published_size_of_pictures(small, tensors):
    config = dataclasses.replace(small[0], image_size=224)
    params, video = load_synchformer(Memory(tensors), config), frames(24, 224, 21)
    found = jax.jit(lambda p, v: sync_features(config, p, v))(params, video)
    assert distance(found, io("synchformer")["out.full224.features"][0]) < TOLERANCE


def test_too_short(small):
    with pytest.raises(ValueError, match="at least 16"):
        features(small, 15)


def test_names_and_shapes_of_the_release():
    config = SynchformerConfig()
    layout = synchformer_layout(config)
    built = layout.tensors(synchformer_template(config))
    released = json.loads((AUDIO_OMNI / "full_size_tensors.json").read_text())["synchformer"]
    dead = {f"vfeat_extractor.patch_embed.proj.{part}" for part in ("weight", "bias")}
    assert {k: list(v.shape) for k, v in built.items()} == {
        name: shape for name, (_, shape) in released.items() if name not in dead
    }


def space_first(block):
    """Attention in space before that in time: their names exchanged."""
    names = {"time": "space", "space": "time", "time_norm": "space_norm", "space_norm": "time_norm"}
    return {names.get(name, name): value for name, value in block.items()}


def test_mistakes_fail(small, monkeypatch):
    config, params, video = small
    golden = io("synchformer")["out.small.features_T16"][0]

    def off(params=params):
        run = jax.jit(lambda p, v: sync_features(config, p, v))
        return distance(run(params, video[:16]), golden)

    wrong = {**params, "blocks": space_first(params["blocks"])}
    assert off(wrong) > TOLERANCE  # both are shaped alike, so that only the order tells them apart
    with monkeypatch.context() as patch:
        patch.setattr(synchformer, "_norm", lambda **kw: nn.LayerNorm(epsilon=1e-5, **kw))
        assert off() > TOLERANCE
    with monkeypatch.context() as patch:
        patch.setattr(nn, "gelu", lambda x, approximate: jax.nn.gelu(x, approximate=True))
        assert off() > TOLERANCE
