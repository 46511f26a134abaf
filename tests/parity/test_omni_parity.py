"""Audio-Omni's conditioners, velocity and sampling against the PyTorch release."""

import dataclasses
import functools
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.omni_generator import load_omni
from audiogen_jax.flow import guidance
from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.schedules import linear
from audiogen_jax.flow.solvers import euler
from audiogen_jax.layers import attention
from audiogen_jax.layers.apply import apply
from audiogen_jax.layers.feed_forward import SwiGLU
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.models.omni import cached_dit, dit
from audiogen_jax.models.omni.conditioners import transcript
from audiogen_jax.models.omni.conditioners.characters import transcript_ids
from audiogen_jax.models.omni.conditioners.mel import hide_span, log_mel
from audiogen_jax.models.omni.conditioners.thinker_features import pack
from audiogen_jax.models.omni.generator import AudioOmni, Condition
from audiogen_jax.models.omni.prompts import Features, OmniPrompts
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.ops import attention as ops_attention
from tests.parity.golden import FOLDER, golden_arrays
from tests.parity.omni import omni_folder

TOLERANCE = 2e-5
DIT, TTS, MEL = (golden_arrays("audio_omni", f"{name}.io") for name in ("dit", "tts", "mel"))
OMNI, SYNC, COND = (golden_arrays("audio_omni", f"{name}.io") for name in ("omni", "sync", "cond"))
E2E = golden_arrays("audio_omni", "e2e.io")
CASES = json.loads((FOLDER / "audio_omni" / "e2e.json").read_text())["cases"]
PROMPTS = [*json.loads((FOLDER / "audio_omni" / "omni.json").read_text())["prompts"]]


def rows(values):
    return jnp.swapaxes(values, 1, 2)


def close(actual, expected, tolerance=TOLERANCE):
    np.testing.assert_allclose(actual, expected, atol=tolerance, rtol=0)


def differ(actual, expected) -> float:
    return float(np.abs(np.asarray(actual) - np.asarray(expected)).max())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The generator without a thinker, and its parameters."""
    folder = omni_folder(tmp_path_factory.mktemp("omni"))
    config, params = load_omni(CheckpointFolder(folder))
    return AudioOmni(config), {"omni": params}


def conditioner(model, method, *args):
    """A part of the network alone."""
    generator, params = model
    network = generator._network
    function = jax.jit(lambda params, *args: network.apply(params, *args, method=method))
    return function({"params": params["omni"]}, *args)


def given():
    """What the release gives its velocity network."""
    mask = DIT["in.cross_attn_mask"].astype(bool)
    return Condition(DIT["in.cross_attn_cond"], mask, DIT["in.global_cond"])


@functools.cache
def jitted(generator):
    return jax.jit(generator.velocity)


def velocity(model, condition, jitted=jitted):
    generator, params = model
    x, sigma = rows(DIT["in.x"]), DIT["in.t"]
    return rows(jitted(generator)(params, condition, x, sigma, None))


def test_velocity(model):
    close(velocity(model, given()), DIT["out.v"])
    generator = model[0]
    close(velocity(model, generator.unconditional(given())), DIT["out.v_uncond"])
    everything = given()._replace(context_mask=jnp.ones_like(given().context_mask))
    close(velocity(model, everything), DIT["out.v_nomask"])


def test_velocity_without_context_or_prefix(model):
    (generator, params), (context, mask, prefix) = model, given()
    network = jax.jit(lambda params, *args: apply(generator._dit, params, *args))
    args = params["omni"]["dit"], rows(DIT["in.x"]), DIT["in.t"]
    close(rows(network(*args, None, None, prefix)), DIT["out.v_nocross"])
    close(rows(network(*args, context, mask, None)), DIT["out.v_noglobal"])


def whole_head(monkeypatch):
    turn = attention.apply_rope
    monkeypatch.setattr(attention, "apply_rope", lambda x, dims: turn(x))


def prefix_left_out_of_the_index(monkeypatch):
    turn, prefix = attention.apply_rope, DIT["in.global_cond"].shape[1]

    def later(x, dims):
        return jnp.concatenate([x[:, :prefix], turn(x[:, prefix:], dims=dims)], axis=1)

    monkeypatch.setattr(attention, "apply_rope", later)


def swapped_halves(monkeypatch):
    monkeypatch.setattr(dit, "SwiGLU", Swapped)


class Swapped(SwiGLU):
    @nn.compact
    def __call__(self, x):
        gate, value = jnp.split(nn.Dense(2 * self.hidden_dim, name="proj_in")(x), 2, -1)
        return nn.Dense(x.shape[-1], name="proj_out")(value * nn.silu(gate))


def sine_before_cosine(monkeypatch):
    cosine, sine = jnp.cos, jnp.sin
    monkeypatch.setattr(dit.jnp, "cos", sine)
    monkeypatch.setattr(dit.jnp, "sin", cosine)


def other_epsilon(monkeypatch):
    monkeypatch.setattr(dit, "LayerNorm", functools.partial(dit.LayerNorm, epsilon=1e-6))


@pytest.mark.parametrize(
    ("fault", "least"),
    [
        (whole_head, 1.0),
        (prefix_left_out_of_the_index, 0.5),
        (swapped_halves, 1.0),
        (sine_before_cosine, 1.0),
        (other_epsilon, 2 * TOLERANCE),
    ],
)
def test_the_tolerance_catches(model, fault, least, monkeypatch):
    fault(monkeypatch)
    anew = AudioOmni(model[0].config), model[1]  # what jax has traced is another's
    found = velocity(anew, given(), jitted.__wrapped__)
    assert differ(found, DIT["out.v"]) > least


def guided(model, condition, guidance, x_mask):
    """What samplers follow: the unconditional half of it without cross-attention."""
    generator, params = model
    params = generator.for_sampling(params)
    return guided_velocity(generator, params, condition, guidance, x_mask, unconditional=True)


def guided_clips(model, rescale):
    """The velocity of every clip at its level."""
    x, mask = rows(DIT["in.x"]), jnp.ones((2, DIT["in.x"].shape[2]), bool)

    @jax.jit
    def of_clip(x, sigma):
        how = Guidance.classifier_free(7.0, rescale=rescale)
        velocity, levels = guided(model, given(), how, mask)
        return velocity(x, jax.tree.map(lambda leaf: leaf[0], levels(sigma)))

    clips = enumerate(DIT["in.t"])
    return jnp.stack([rows(of_clip(x, sigma[None]))[clip] for clip, sigma in clips])


@pytest.mark.parametrize(("rescale", "name"), [(0.0, "v_cfg7"), (0.4, "v_cfg7_phi0.4")])
def test_guidance(model, rescale, name):
    close(guided_clips(model, rescale), DIT[f"out.{name}"], 1e-4)


def test_guidance_a_head_and_some_tokens_at_a_time(model, monkeypatch):
    """As a CPU computes it at the published size."""
    monkeypatch.setattr(ops_attention, "MOST_LOGITS", 0)
    monkeypatch.setattr(cached_dit, "TOKENS", 16)
    close(guided_clips(model, 0.0), DIT["out.v_cfg7"], 1e-4)


def test_the_spread_is_that_over_channels(model, monkeypatch):
    spread = jnp.std
    over_time = lambda x, axis, **how: spread(x, axis=1, **how)  # noqa: E731
    monkeypatch.setattr(guidance.jnp, "std", over_time)
    assert differ(guided_clips(model, 0.4), DIT["out.v_cfg7_phi0.4"]) > 1e-2


def test_guidance_keeps_the_prefix(model):
    generator, params = model
    bare = generator.unconditional(given())
    close(velocity(model, bare), DIT["out.v_uncond"])
    empty = bare._replace(prefix=jnp.zeros_like(bare.prefix))
    guided = 7 * DIT["out.v"] - 6 * velocity(model, empty)
    assert differ(guided, DIT["out.v_cfg7"]) > 5


def test_euler_steps(model):
    noise = rows(DIT["in.noise"])
    mask, how = jnp.ones(noise.shape[:2], bool), Guidance.classifier_free(7.0)
    velocity, prepare = guided(model, given(), how, mask)
    states = DIT["out.euler8.traj"]
    plan = euler(linear(len(states) - 1))
    for steps in (3, len(states) - 1):
        part = dataclasses.replace(
            plan,
            sigmas=plan.sigmas[: steps + 1],
            evaluations=plan.evaluations[:steps],
            coefficients=plan.coefficients[:steps],
        )
        run = jax.jit(lambda noise, plan: sample(velocity, noise, plan, prepare=prepare))
        close(rows(run(noise, part)), states[steps], 1e-4)
    close(states[-1], DIT["out.euler8.out"], 0)


def test_variation_of_a_clip(model):
    sigma = np.float32(0.6)
    start = (1 - sigma) * rows(DIT["in.init"]) + sigma * rows(DIT["in.noise"])
    mask, how = jnp.ones(start.shape[:2], bool), Guidance.classifier_free(7.0)
    velocity, prepare = guided(model, given(), how, mask)
    plan = euler(sigma * linear(5))
    latents = jax.jit(lambda start: sample(velocity, start, plan, prepare=prepare))(start)
    close(rows(latents), DIT["out.rf_init_sigma0.6"], 1e-4)


def transcripts(model, name):
    length = model[0].config.text_length
    ids = np.asarray(TTS[f"out.{name}.ids"])[:, :length] + 1
    return jnp.asarray(np.pad(ids, ((0, 0), (0, length - ids.shape[1]))), jnp.int32)


@pytest.mark.parametrize("name", ["batch", "empty"])
def test_transcripts(model, name):
    ids = transcripts(model, name)
    out = conditioner(model, lambda m, *a: m.transcript(*a), ids, jnp.ones(len(ids), bool))
    close(out, TTS[f"out.{name}.out"])


def test_no_transcript(model):
    """Alone it is a learned vector; beside clips with a transcript the release normalises it."""
    ids, present = transcripts(model, "mixed_none"), jnp.array([True, False])
    nothing = conditioner(model, lambda m, *a: m.transcript(*a), ids, jnp.zeros(2, bool))
    close(nothing, TTS["out.all_none.out"], 0)
    mixed = conditioner(model, lambda m, *a: m.transcript(*a), ids, present)
    close(mixed[0], TTS["out.mixed_none.out"][0])
    close(mixed[1], nothing[1], 0)
    as_released = conditioner(model, lambda m, *a: m.transcript(*a, True), ids, present)
    close(as_released, TTS["out.mixed_none.out"])


def tanh_gelu(monkeypatch):
    exact = nn.gelu
    monkeypatch.setattr(nn, "gelu", lambda x, approximate=True: exact(x, approximate=True))


def valid_positions_alone(monkeypatch):
    """The norm of responses over the characters of a transcript, not over what fills it up."""
    call = transcript.ResponseNorm.__call__
    characters = int((TTS["out.batch.ids"][0] >= 0).sum())

    def shorter(self, x):
        return call(self, x.at[:, characters:].set(0.0))

    monkeypatch.setattr(transcript.ResponseNorm, "__call__", shorter)


@pytest.mark.parametrize(("fault", "least"), [(tanh_gelu, 5e-4), (valid_positions_alone, 0.1)])
def test_the_transcript_tolerance_catches(model, fault, least, monkeypatch):
    fault(monkeypatch)
    ids = transcripts(model, "batch")[:1]
    out = conditioner(model, lambda m, *a: m.transcript(*a), ids, jnp.ones(1, bool))
    assert differ(out, TTS["out.batch.out"][:1]) > least


def test_reference_audio(model):
    config = model[0].config
    mel = jax.jit(lambda audio: log_mel(audio, config))(MEL["in.wav"])
    close(rows(mel), MEL["out.logmel"], 5e-5)
    close(conditioner(model, lambda m, mel: m.mel(mel), mel), MEL["out.out"])
    start = jnp.tile(MEL["in.mask_start"].astype(jnp.float32), 2)
    hidden = hide_span(mel, start, MEL["out.masked.ratios"])
    hidden = hidden.at[1].set(mel[1])  # the second clip has no transcript
    close(rows(hidden), MEL["out.masked.logmel"], 5e-5)
    close(conditioner(model, lambda m, mel: m.mel(mel), hidden), MEL["out.masked.out"])


def test_video_features(model):
    out = conditioner(model, lambda m, features: m.sync(features), SYNC["in.feat"])
    close(out, SYNC["out.out"])


def test_thinker_features(model):
    """Packed to the left; longer ones are interpolated."""
    states, mask = OMNI["out.dict.hidden_m2"], OMNI["out.dict.attention_mask"].astype(bool)
    unread = jnp.where(mask[:, :, None], states, jnp.nan)
    tokens, valid = conditioner(model, lambda m, *a: m.thinker_projection(*a), unread, mask)
    np.testing.assert_array_equal(valid, OMNI["out.dict_f32.mask"])
    close(tokens, OMNI["out.dict_f32.out"])
    close(tokens, OMNI["out.dict_bf16.out"], 2e-2)


def test_thinker_features_cut(model):
    """As the release treats what it computed before."""
    most = model[0].config.pad_length
    long, mask = OMNI["in.feat_long"][None], jnp.ones((1, len(OMNI["in.feat_long"])), bool)
    tokens, valid = pack(long, mask, most, cut=True)
    np.testing.assert_array_equal(tokens[0], OMNI["in.feat_long"][:most])
    assert valid.all() and differ(pack(long, mask, most)[0], tokens) > 0.1


def test_a_condition_is_put_together(model):
    """The order of the release: thinker before transcript, video before reference audio."""
    generator, params = model
    context = jnp.concatenate([COND["in.omni"], COND["in.speech"]], axis=1)
    np.testing.assert_array_equal(context, COND["out.cross_attn_cond"])
    prefix = jnp.concatenate([COND["in.sync"], COND["in.mel"]], axis=1)
    np.testing.assert_array_equal(prefix, COND["out.global_cond"])
    condition = Condition(context, COND["out.cross_attn_mask"].astype(bool), prefix)
    x = rows(COND["in.x"])
    out = jax.jit(generator.velocity)(params, condition, x, COND["in.t"], None)
    close(rows(out), COND["out.v"])


def prompts(model, case):
    config, key = model[0].config, PROMPTS.index(CASES[case]["omni_key"])
    states, mask = OMNI["out.dict.hidden_m2"][key], OMNI["out.dict.attention_mask"][key]
    words = CASES[case]["speech"]
    ids = transcript_ids([words or ""], config.text_length)
    return OmniPrompts(
        Features(states[None], mask[None].astype(bool)),
        jnp.asarray(ids),
        jnp.array([words is not None]),
        E2E[f"in.{case}.wav"][None],
        E2E[f"in.{case}.sync"],
    )


@pytest.mark.parametrize("case", CASES)
def test_generation(model, case):
    generator, params = model
    condition = jax.jit(generator.condition)(params, prompts(model, case))
    close(condition.context, E2E[f"out.{case}.inputs.cross_attn_cond"])
    close(condition.context_mask, E2E[f"out.{case}.inputs.cross_attn_mask"])
    close(condition.prefix, E2E[f"out.{case}.inputs.global_cond"])
    steps, guidance = CASES[case]["steps"], CASES[case]["cfg"]
    noise = rows(E2E[f"out.{case}.noise"])
    mask, how = jnp.ones(noise.shape[:2], bool), Guidance.classifier_free(guidance)
    velocity, prepare = guided(model, condition, how, mask)
    plan = euler(linear(steps))
    latents = jax.jit(lambda noise: sample(velocity, noise, plan, prepare=prepare))(noise)
    close(rows(latents), E2E[f"out.{case}.latents"], 1e-4)


def test_release_quirk_by_its_public_name(model):
    assert model[0].with_quirks(Quirks.of("release")).quirks.normed_empty_transcript
