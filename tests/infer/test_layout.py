"""Parameters that one device cannot hold are cut over several.

Generating and encoding by "fsdp" are tried in `tests/jobs`, too, against clips of one device.
"""

import dataclasses
import math

import jax
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.infer.layout import Layout, inference_mesh
from audiogen_jax.models.dasheng.codec import DashengCodec
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.plan.sampling import sampling_shapes
from audiogen_jax.sharding.placement import large_replicated
from audiogen_jax.train.config import load_config
from audiogen_jax.train.stages import parse_config
from tests.train.conftest import ROOT

SCENES = ["<|caption|> a dog barks <|sfx|> bark", "<|caption|> rain <|env|> street"]
CUTS = ["fsdp", "tensor"]
OPTIONS = dict(steps=2, duration=0.5)


@pytest.fixture(scope="module")
def clips(tiny_checkpoint):
    """What one device makes of the scenes, and its latents of noise."""
    pipeline = ag.load(tiny_checkpoint)
    audio = np.random.default_rng(0).normal(0, 0.1, (8, 16000)).astype(np.float32)
    latents = pipeline.codec.encode(audio)
    return pipeline.generate(SCENES, **OPTIONS), audio, np.asarray(latents)


@pytest.mark.parametrize("sharding", [pytest.param("fsdp", marks=pytest.mark.slow), "tensor"])
def test_cut_parameters_give_the_same_audio(tiny_checkpoint, clips, sharding: str):
    expected, audio, latents = clips
    pipeline = ag.load(tiny_checkpoint, sharding=sharding)
    assert pipeline._sampler.mesh.size == 8
    for clip, same in zip(pipeline.generate(SCENES, **OPTIONS), expected, strict=True):
        np.testing.assert_allclose(clip.audio, same.audio, atol=1e-5)
    codec = pipeline.codec
    np.testing.assert_allclose(codec.encode(audio), latents, atol=1e-5)
    split = codec.encode_split(audio, np.full(8, 16000))
    np.testing.assert_allclose(split[:, : latents.shape[1]], latents, atol=1e-5)
    for params in (pipeline._sampler.params, codec._encoder, codec._decoder):
        on_first = [leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(params)]
        assert sum(on_first) < 0.5 * sum(leaf.nbytes for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("sharding", CUTS)
def test_each_device_holds_its_part_of_the_published_size(sharding: str):
    """Of matrices, tables and embeddings; what remains whole are vectors."""
    settings = parse_config(load_config(f"{ROOT}/configs/xl.py"))
    generator = dataclasses.replace(settings, remat=None).make_generator()
    codec = DashengCodec(TokenizerConfig())
    layout = Layout(inference_mesh(jax.local_devices(), sharding))
    for shapes, rules in (
        (sampling_shapes(generator, np.dtype(np.float32)), generator.axes),
        (jax.eval_shape(codec.init, jax.random.key(0)), codec.axes),
    ):
        placed = jax.tree.leaves(layout.put(shapes, rules))
        held = sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) for leaf in placed)
        assert held < 1.02 * sum(leaf.size for leaf in placed) / 8
        assert large_replicated(placed, [leaf.sharding for leaf in placed]) == []


def test_what_each_sharding_splits():
    one, copies = Layout(inference_mesh()), Layout(inference_mesh(jax.local_devices()))
    cut, together = (Layout(inference_mesh(None, sharding)) for sharding in CUTS)
    assert [each.rows for each in (one, copies, cut, together)] == [1, 8, 8, 1]
    assert [each.cuts for each in (one, copies, cut, together)] == [False, False, True, True]
    with pytest.raises(ValueError, match="sharding='zero': expected one of"):
        inference_mesh(None, "zero")
