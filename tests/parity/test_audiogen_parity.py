"""The velocity model, the content adapter and the text content against the PyTorch release."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.t5 import load_t5
from audiogen_jax.layers.norm import NORMS, LayerNorm
from audiogen_jax.models.audiogen.alignment import (
    align_context,
    alignment_path,
    expand_by_duration,
    local_latent_lengths,
)
from audiogen_jax.models.audiogen.content_adapter import ContentAdapter
from audiogen_jax.models.audiogen.dit import DiTBlock
from audiogen_jax.models.audiogen.durations import global_latent_lengths
from audiogen_jax.models.audiogen.generator import DashengAudioGen
from audiogen_jax.models.audiogen.network import AudioGen
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.types import Tokens
from tests.parity.golden import FOLDER, error, golden_arrays

TOLERANCE = 2e-5
IO = golden_arrays("audiogen_tiny")
VARIANTS = ["audiogen_tiny", "audiogen_rms_tiny"]


@functools.cache
def load(name: str):
    return load_audiogen(CheckpointFolder(FOLDER / name))


def make_velocity(name: str):
    """Channels first, like the goldens; the release lets masked frames into its last layer."""
    config, params = load(name)
    io = golden_arrays(name)
    masks = io["fwd.context_mask"].astype(bool), io["fwd.x_mask"].astype(bool)

    @functools.partial(jax.jit, static_argnames="masked")
    def velocity(timesteps, masked=True, scale=1.0):
        context_mask, x_mask = masks if masked else (None, None)
        out = AudioGen(config).apply(
            {"params": params},
            io["fwd.x"].swapaxes(1, 2),
            jnp.broadcast_to(timesteps, 2),
            io["fwd.context"] * scale,
            context_mask,
            io["fwd.time_aligned_context"] * scale,
            x_mask,
            unmasked_final_convolution=True,
            method="velocity",
        )
        return out.swapaxes(1, 2)

    return velocity


shared_velocity = functools.cache(make_velocity)


def cut(timestep) -> float:
    """The release cuts a timestep that is one number to an integer."""
    return float(np.trunc(timestep))


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("step", range(5))
def test_velocity(name, step):
    io = golden_arrays(name)
    out = shared_velocity(name)(cut(io["fwd.timesteps_scalar"][step]))
    assert error(out, io[f"fwd.velocity_t{step}"]) < TOLERANCE


@pytest.mark.parametrize("name", [VARIANTS[0], pytest.param(VARIANTS[1], marks=pytest.mark.slow)])
def test_velocity_variants(name):
    io = golden_arrays(name)
    velocity, timestep = shared_velocity(name), cut(io["fwd.timesteps_scalar"][1])
    assert error(velocity(timestep, masked=False), io["fwd.velocity_nomask_t1"]) < TOLERANCE
    assert error(velocity(timestep, scale=0.0), io["fwd.velocity_uncond_t1"]) < TOLERANCE
    per_clip = velocity(io["fwd.timesteps_vec"])
    assert error(per_clip, io["fwd.velocity_vec_timesteps"]) < TOLERANCE


@pytest.mark.parametrize("name", VARIANTS)
def test_hidden_states(name):
    io = golden_arrays(name)
    hidden = {k.removeprefix("fwd.hidden."): v for k, v in io.items() if "hidden" in k}
    measured = jax.jit(functools.partial(hidden_states, name))(load(name)[1])
    assert measured.keys() == hidden.keys()
    errors = {key: error(measured[key], value) for key, value in hidden.items()}
    assert {key: value for key, value in errors.items() if not value < TOLERANCE} == {}


def hidden_states(name, params):
    """What is inside the velocity model, block by block."""
    config, io = load(name)[0], golden_arrays(name)
    dit = AudioGen(config).bind({"params": params}).dit
    timestep = jnp.full(2, cut(np.asarray(io["fwd.timesteps_scalar"])[1]))
    time = dit.time_embed(timestep)
    context = dit.embed_context(io["fwd.context"])
    x = dit.patch_embed(io["fwd.x"].swapaxes(1, 2))
    measured = {"time_embed": time, "context_embed": context, "patch_embed": x}

    masks = io["fwd.x_mask"].astype(bool), io["fwd.context_mask"].astype(bool)
    shared = (nn.silu(time), context, io["fwd.time_aligned_context"], *masks)
    half, skips = config.dit_depth // 2, []

    def run(block, x, skip):
        return DiTBlock(config).apply(
            {"params": block},
            x,
            skip,
            *shared,
            capture_intermediates=lambda _, method: method in ("__call__", "attend"),
            mutable="intermediates",
        )

    for i in range(half):
        block = jax.tree.map(lambda layers, i=i: layers[i], params["dit"]["in_blocks"])
        (x, _), state = run(block, x, None)
        skips.append(x)
        measured[f"in_block_{i}"] = x
        if i == 0:
            inside = state["intermediates"]
            modulation = inside["modulation"]["__call__"][0]
            measured["in_block_0.adaln"] = modulation.reshape(2, 6, -1)
            measured["in_block_0.attn"] = inside["attention"]["__call__"][0]
            measured["in_block_0.cross_attn"] = inside["cross_attention"]["attend"][0]
            measured["in_block_0.mlp"] = inside["mlp"]["__call__"][0]
    (x, _), _ = run(params["dit"]["mid_block"], x, None)
    measured["mid_block"] = x
    for i in range(half):
        block = jax.tree.map(lambda layers, i=i: layers[i], params["dit"]["out_blocks"])
        (x, _), _ = run(block, x, skips.pop())
        measured[f"out_block_{i}"] = x
    return measured


def test_another_epsilon_fails(monkeypatch):
    monkeypatch.setitem(NORMS, "layernorm", functools.partial(LayerNorm, epsilon=1e-6))
    out = make_velocity("audiogen_tiny")(cut(IO["fwd.timesteps_scalar"][1]))
    assert error(out, IO["fwd.velocity_t1"]) > TOLERANCE


def test_tanh_gelu_fails(monkeypatch):
    monkeypatch.setattr(nn, "gelu", lambda x, approximate: jax.nn.gelu(x, approximate=True))
    out = make_velocity("audiogen_tiny")(cut(IO["fwd.timesteps_scalar"][1]))
    assert error(out, IO["fwd.velocity_t1"]) > TOLERANCE


def test_a_fractional_timestep_is_not_the_release():
    timesteps = IO["fwd.timesteps_scalar"]
    step = int(np.argmax(timesteps % 1))
    out = shared_velocity("audiogen_tiny")(timesteps[step])
    assert error(out, IO[f"fwd.velocity_t{step}"]) > TOLERANCE


@pytest.mark.parametrize("case", ["ckpt", "mixed", "zero"])
def test_content_adapter(case):
    config, params = load("audiogen_tiny")
    instruction = jnp.broadcast_to(params["instruction"], (2, *params["instruction"].shape))
    lengths = jnp.full(2, config.instruction_length)
    if case == "mixed":
        lengths = IO["adapter.instruction_lengths_mixed"]
    if case == "zero":
        instruction, lengths = jnp.zeros((2, 1, config.task_instruction_dim)), jnp.ones(2)
    out = jax.jit(ContentAdapter(config).apply)(
        {"params": params["content_adapter"]},
        IO["adapter.content_in"],
        IO["adapter.content_mask"].astype(bool),
        instruction,
        jnp.arange(instruction.shape[1]) < lengths[:, None],
    )
    for field in ("content", "global_duration", "local_duration"):
        assert error(getattr(out, field), IO[f"adapter.{case}.{field}"]) < TOLERANCE


def test_global_durations():
    config, _ = load("audiogen_tiny")
    lengths = global_latent_lengths(IO["dur.global_pred"], config)
    np.testing.assert_array_equal(lengths, IO["dur.global_latent"])


def test_local_durations():
    config, _ = load("audiogen_tiny")
    predicted, mask = np.asarray(IO["dur.local_pred"]), np.asarray(IO["dur.local_mask"], bool)
    expected = IO["dur.local_latent"]
    np.testing.assert_array_equal(local_latent_lengths(predicted, mask, config), expected)

    frames = np.ceil(np.exp(predicted) * mask) - np.float32(config.duration_offset)
    assert np.any(np.rint(frames * np.float32(0.125)) != expected)
    assert np.any(np.rint(frames.astype(np.float64) * 0.005 * 25) != expected)


def test_expansion():
    content, mask = IO["align.content"], IO["align.content_mask"].astype(bool)
    durations, frame_mask = IO["align.local_latent"], IO["align.latent_mask"].astype(bool)
    expanded = expand_by_duration(content, durations, mask, frame_mask)
    np.testing.assert_array_equal(alignment_path(durations, mask, frame_mask), IO["align.path"])
    np.testing.assert_allclose(expanded, IO["align.expanded"], atol=1e-6)


def test_lengths_of_time_aligned_clips():
    config, _ = load("audiogen_tiny")
    lengths = np.where(
        IO["align.is_time_aligned"],
        IO["align.local_latent"].sum(axis=1),
        global_latent_lengths(IO["align.global_pred"], config),
    )
    np.testing.assert_array_equal(lengths, IO["align.global_latent"])
    frames = np.arange(IO["align.latent_mask"].shape[1])
    np.testing.assert_array_equal(frames < lengths[:, None], IO["align.latent_mask"].astype(bool))


@pytest.mark.parametrize("case", ["none", "mixed", "trim", "all"])
def test_context_alignment(case):
    _, params = load("audiogen_tiny")
    content, mask = IO["align.content"], IO["align.content_mask"].astype(bool)
    expected = IO[f"align.{case}.context"]
    flags = IO["align.is_time_aligned"].astype(bool)
    flags = {"none": jnp.zeros_like(flags), "all": jnp.ones_like(flags)}.get(case, flags)
    frames = IO[f"align.{case}.time_aligned_context"].shape[1]
    frame_mask = jnp.arange(frames) < IO["align.global_latent"][:, None]
    expanded = expand_by_duration(content, IO["align.local_latent"], mask, frame_mask)
    context, context_mask, time_aligned = align_context(
        content,
        mask,
        expanded,
        flags,
        jnp.asarray(params["no_context"]),
        jnp.asarray(params["no_time_aligned"]),
    )
    # The release cuts the context to its longest prompt; here the rest of it is masked.
    kept = expected.shape[1]
    assert not context_mask[:, kept:].any()
    np.testing.assert_array_equal(
        context_mask[:, :kept], IO[f"align.{case}.context_mask"].astype(bool)
    )
    np.testing.assert_array_equal(context[:, :kept], expected)
    np.testing.assert_allclose(time_aligned, IO[f"align.{case}.time_aligned_context"], atol=1e-6)


def test_special_tokens():
    io = golden_arrays("audiogen_mt5_tiny")
    config, params = load("audiogen_mt5_tiny")
    t5_config, t5_params = load_t5(CheckpointFolder(FOLDER / "mt5_tiny"))
    model, text_encoder = AudioGen(config), T5Encoder(t5_config)
    generator = DashengAudioGen(config, t5_config)
    ids, mask = io["enc.input_ids"], io["enc.attention_mask"].astype(bool)
    special = tuple(io["enc.special_token_ids"].tolist())

    both, tokens = {"text_encoder": t5_params, "audiogen": params}, Tokens(ids, mask)

    @jax.jit
    def all_of(params, t5_params):
        def apply(*arguments, method):
            return model.apply({"params": params}, *arguments, method=method)

        embeds = text_encoder.apply({"params": t5_params}, ids, method="embed")
        embeds = apply(embeds, ids, special, method="replace_special_tokens")
        hidden = text_encoder.apply({"params": t5_params}, None, mask, embeds)
        content = apply(hidden, method="encode_text")
        adapted = apply(content, mask, method="adapt").content
        whole = dataclasses.replace(generator, special_token_ids=special).condition(both, tokens)
        return embeds, hidden, content, adapted, whole.context

    embeds, hidden, content, adapted, whole = all_of(params, t5_params)
    np.testing.assert_array_equal(embeds, io["enc.inputs_embeds"])
    assert error(hidden, io["enc.last_hidden_state"]) < TOLERANCE
    assert error(content, io["enc.content"]) < TOLERANCE
    np.testing.assert_allclose(whole, adapted, atol=1e-6)
    with pytest.raises(ValueError, match="one id for each"):
        generator.condition(both, tokens)
