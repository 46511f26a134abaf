"""Synchformer's visual half against tensors made with the release's."""

import dataclasses
import functools
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
from audiogen_jax.ops.attention import attention
from tests.parity.thinker import AUDIO_OMNI, distance, formula, io, meta, stated

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
    shown = stated(meta("synchformer")["cases"]["small"])
    config = SynchformerConfig(**sizes, image_size=shown["height"])
    surplus = {
        "vfeat_extractor.pos_embed": jnp.asarray(io("synchformer")["in.small.pos_embed"]),
        "afeat_extractor.anything": jnp.zeros(3),
    }
    return config, load_synchformer(Memory({**tensors, **surplus}), config), frames(shown)


def frames(shown: dict[str, int]) -> np.ndarray:
    return formula(**shown).astype(np.float32) / 127.5 - 1


@functools.cache
def jitted(config):
    return jax.jit(lambda p, v: sync_features(config, p, v))


def features(small, count: int | None = None):
    config, params, video = small
    return jitted(config)(params, video[:count])


@pytest.mark.parametrize("name", [n for n in io("synchformer") if "small.features" in n])
def test_features(small, name):
    count = stated(name, count=r"_T(\d+)").get("count")
    assert distance(features(small, count), io("synchformer")[name][0]) < TOLERANCE


def test_black(small):
    config, params, video = small
    black = jitted(config)(params, jnp.full_like(video[: config.frames_per_segment], -1.0))
    assert distance(black, io("synchformer")["out.small.black"][0]) < TOLERANCE


@pytest.mark.slow
def test_the_published_size_of_pictures(small, tensors):
    shown = stated(meta("synchformer")["cases"]["full224"])
    config = dataclasses.replace(small[0], image_size=shown["height"])
    params, video = load_synchformer(Memory(tensors), config), frames(shown)
    found = jax.jit(lambda p, v: sync_features(config, p, v))(params, video)
    assert distance(found, io("synchformer")["out.full224.features"][0]) < TOLERANCE


def test_too_short(small):
    fewest = small[0].frames_per_segment
    with pytest.raises(ValueError, match=f"at least {fewest}"):
        features(small, fewest - 1)


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


def norms_by_number(block):
    """Those of a file are norm1 of space, norm2 of the MLP and norm3 of time."""
    order = {"time_norm": "space_norm", "space_norm": "mlp_norm", "mlp_norm": "time_norm"}
    return {name: block[order.get(name, name)] for name in block}


@pytest.mark.parametrize("mistake", [space_first, norms_by_number])
def test_mistakes_in_the_order_fail(small, mistake):
    """All are shaped alike, so that only the order tells them apart."""
    config, params, video = small
    run = jax.jit(lambda p, v: sync_features(config, p, v))
    wrong = {**params, "blocks": mistake(params["blocks"])}
    video = video[: config.frames_per_segment]
    assert distance(run(wrong, video), io("synchformer")["out.small.features_T16"][0]) > 1


def patches_alone(query, key, value, mask=None):
    """Patches that do not see the class token, which stands first among their keys."""
    if query.shape[1] > 1 and key.shape[1] == query.shape[1] + 1:
        key, value = key[:, 1:], value[:, 1:]
    return attention(query, key, value, mask)


MISTAKES = {
    "class_token_left_out": (synchformer, "attention", patches_alone, 1.0),
    "other_epsilon": (
        synchformer, "_norm", lambda **kw: nn.LayerNorm(epsilon=1e-5, **kw), TOLERANCE
    ),
    "tanh_gelu": (
        nn, "gelu", lambda x, approximate: jax.nn.gelu(x, approximate=True), 10 * TOLERANCE
    ),
    "relu": (nn, "gelu", lambda x, approximate: jax.nn.relu(x), 0.1),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_fail(small, mistake, monkeypatch):
    config, params, video = small
    *place, wrong, least = MISTAKES[mistake]
    monkeypatch.setattr(*place, wrong)
    run = jax.jit(lambda p, v: sync_features(config, p, v))
    found = run(params, video[: config.frames_per_segment])
    assert distance(found, io("synchformer")["out.small.features_T16"][0]) > least
