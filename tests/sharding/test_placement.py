"""Where each preset puts the parameters of the full-size models."""

import functools
import re

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from audiogen_jax.models import discriminators, lora
from audiogen_jax.models.audiogen import axes as audiogen_axes
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.generator import DashengAudioGen
from audiogen_jax.models.dasheng import axes as dasheng_axes
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.masked_autoencoder import MaskedAutoencoder
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer
from audiogen_jax.models.discriminators import MultiFrequencyDiscriminator
from audiogen_jax.models.omni import axes as omni_axes
from audiogen_jax.models.omni.codec import OobleckCodec
from audiogen_jax.models.omni.config import OmniConfig, OobleckConfig
from audiogen_jax.models.omni.generator import AudioOmni
from audiogen_jax.models.omni.thinker.config import ThinkerConfig
from audiogen_jax.models.omni.thinker.thinker import Thinker
from audiogen_jax.models.separator.config import SeparatorConfig
from audiogen_jax.models.separator.network import Separator
from audiogen_jax.models.t5 import axes as t5_axes
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.sharding.mesh import MeshConfig, make_mesh
from audiogen_jax.sharding.placement import (
    beneath,
    large_replicated,
    parameter_axes,
    parameter_name,
    parameter_spec,
    tree_shardings,
)
from audiogen_jax.train.optimizer import OptimizerConfig, make_optimizer

AUDIO = jnp.zeros((1, 16000))


AXES = {
    "generator": audiogen_axes.AXES,
    "tokenizer": dasheng_axes.AXES,
    "autoencoder": dasheng_axes.AXES,
    "discriminator": discriminators.AXES,
    "adapters": beneath("adapters", lora.AXES),
    "omni": AudioOmni(OmniConfig(), Thinker(ThinkerConfig())).axes,
    "oobleck": omni_axes.OOBLECK,
    "separator": Separator.axes,
}


@functools.cache  # as tracing the larger ones takes seconds
def shapes(name: str):
    """Shapes of the published sizes."""
    tokenizer = TokenizerConfig()
    init = {
        "generator": DashengAudioGen(AudioGenConfig(special_tokens=("a",)), T5Config()).init,
        "tokenizer": lambda key: DashengTokenizer(tokenizer).init(key, AUDIO)["params"],
        "autoencoder": lambda key: MaskedAutoencoder(tokenizer, 8).init(key, AUDIO, key)["params"],
        "discriminator": lambda key: MultiFrequencyDiscriminator((2048, 1024), 32).init(key, AUDIO)[
            "params"
        ],
        "omni": AudioOmni(OmniConfig(), Thinker(ThinkerConfig())).init,
        "oobleck": OobleckCodec(OobleckConfig()).init,
        "separator": lambda key: {
            "separator": Separator(SeparatorConfig(), T5Config()).init(key),
            "text_encoder": shapes("generator")["text_encoder"],
        },
        "adapters": lambda key: {
            "adapters": lora.init_adapters(key, shapes("generator")["audiogen"], 8)
        },
    }[name]
    return jax.eval_shape(init, jax.random.key(0))


@pytest.fixture(scope="module")
def generator():
    return shapes("generator")


@pytest.mark.parametrize("name", AXES)
def test_every_parameter_fits_one_rule(name: str):
    parameters = jax.tree_util.tree_flatten_with_path(shapes(name))[0]
    names = [parameter_name(path) for path, _ in parameters]
    for parameter, (_, leaf) in zip(names, parameters, strict=True):
        axes = parameter_axes(parameter, leaf.ndim, AXES[name])
        assert len(axes) == leaf.ndim


def test_every_rule_is_of_use():
    names: dict[tuple, list[str]] = {}
    for name, rules in AXES.items():
        paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(shapes(name))[0]]
        names.setdefault(rules, []).extend(parameter_name(path) for path in paths)
    for rules, parameters in names.items():
        for pattern, _ in rules:
            assert any(re.fullmatch(pattern, parameter) for parameter in parameters), pattern


@pytest.mark.parametrize(
    ("trained", "rules"),
    [
        ("tokenizer", AXES["tokenizer"] + AXES["discriminator"]),
        ("discriminator", AXES["tokenizer"] + AXES["discriminator"]),
        ("generator", AXES["generator"] + AXES["adapters"]),
        ("adapters", AXES["generator"] + AXES["adapters"]),
    ],
)
def test_tables_of_one_training_do_not_overlap(trained: str, rules):
    tree_shardings(shapes(trained), make_mesh(MeshConfig(data=1, fsdp=8)), "fsdp", rules)


def test_fsdp_replicates_nothing_large(generator):
    shardings = tree_shardings(
        generator, make_mesh(MeshConfig(data=1, fsdp=8)), "fsdp", AXES["generator"]
    )
    assert large_replicated(generator, shardings) == []
    held = sum(
        leaf.dtype.itemsize * jnp.prod(jnp.array(at.shard_shape(leaf.shape), float))
        for leaf, at in zip(jax.tree.leaves(generator), jax.tree.leaves(shardings), strict=True)
    )
    total = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(generator))
    assert held < 1.01 * total / 8


def test_dp_replicates_all(generator):
    shardings = tree_shardings(generator, make_mesh(MeshConfig()), "dp", AXES["generator"])
    listed = large_replicated(generator, shardings)
    assert listed[0].bytes == 16 * 1536 * 12288 * 4
    assert [row.bytes for row in listed] == sorted((row.bytes for row in listed), reverse=True)


@pytest.mark.parametrize(
    ("name", "shape", "preset", "spec"),
    [
        ("dit/in_blocks/mlp/proj_in/kernel", (16, 1536, 12288), "fsdp", P(None, "fsdp", None)),
        (
            "dit/in_blocks/mlp/proj_in/kernel",
            (16, 1536, 12288),
            "fsdp_tp",
            P(None, "fsdp", "tensor"),
        ),
        ("dit/mid_block/attention/out/kernel", (1536, 1536), "fsdp_tp", P("tensor", "fsdp")),
        (
            "content_adapter/local_duration/conv_0/kernel",
            (3, 1023, 512),
            "fsdp",
            P(None, None, None),
        ),
        ("dit/final_norm/scale", (1536,), "fsdp", P(None)),
    ],
)
def test_specs(name: str, shape: tuple[int, ...], preset: str, spec: P):
    mesh_shape = {"data": 1, "fsdp": 4, "tensor": 2}
    assert parameter_spec(name, shape, mesh_shape, preset, audiogen_axes.NETWORK) == spec


def test_an_axis_that_does_not_divide_leaves_the_next_one():
    mesh_shape = {"data": 1, "fsdp": 4, "tensor": 2}
    found = parameter_spec("token_embed/embedding", (32127, 1024), mesh_shape, "fsdp", t5_axes.AXES)
    assert found == P(None, "fsdp")
    found = parameter_spec(
        "decoder/head/out/kernel", (1280, 1282), mesh_shape, "fsdp", dasheng_axes.AXES
    )
    assert found == P("fsdp", None)


def test_moments_follow_their_parameters(generator):
    params = {"text_encoder": generator["text_encoder"]}
    optimizer = make_optimizer(OptimizerConfig(1e-3, 0, 0.9, 0.99, 0.1, 1.0), 10)
    state = jax.eval_shape(optimizer.init, params)
    found = tree_shardings(state, make_mesh(MeshConfig(data=1, fsdp=8)), "fsdp", AXES["generator"])
    gate = [at for path, at in jax.tree_util.tree_flatten_with_path(found)[0]
            if parameter_name(path).endswith("gate/kernel")]  # fmt: skip
    assert [at.spec for at in gate] == [P(None, "fsdp", None)] * 2
    assert all(isinstance(at, NamedSharding) for at in jax.tree.leaves(found))


def test_unknown_names():
    with pytest.raises(ValueError, match="'dit/new/weight' with 2 axes"):
        parameter_axes("dit/new/weight", 2, AXES["generator"])
    with pytest.raises(ValueError, match="'dit/bias' with 1 axes: expected one rule"):
        parameter_axes("dit/bias", 1, ((r".*/bias", (None,)), (r"dit/.*", (None,))))
    with pytest.raises(ValueError, match="sharding='zero3': expected one of"):
        parameter_spec("a/bias", (1,), {}, "zero3", ())
