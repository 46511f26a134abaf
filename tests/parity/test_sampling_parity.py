"""Noise levels and whole generations against the PyTorch release."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.t5 import load_t5
from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.schedules import linear, release_sway, sway
from audiogen_jax.flow.solvers import euler
from audiogen_jax.models.audiogen.durations import global_latent_lengths
from audiogen_jax.models.audiogen.generator import DashengAudioGen
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.types import Tokens
from tests.parity.golden import FOLDER, error, golden_arrays

TOLERANCE = 2e-5
IO = golden_arrays("audiogen_tiny")
STEPS = [1, 2, 4, 10, 25, 30, 50, 58]
# The release truncates 1000 sigma; for these the last bit cannot matter (for the others it does,
# and torch itself depends on the machine).
EXACT = {"linear": [1, 2, 4, 10], "sway": [1, 2, 4, 10, 25, 50], "sway_m0p5": [1, 2, 4, 10, 25, 50]}


@pytest.mark.parametrize("schedule", ["linear", "sway", "sway_m0p5"])
@pytest.mark.parametrize("steps", STEPS)
def test_noise_levels(schedule, steps):
    coefficient = {"linear": 0.0, "sway": -1.0, "sway_m0p5": -0.5}[schedule]
    sigmas = release_sway(steps, coefficient)
    name = f"sigmas.{schedule}_{steps}"
    np.testing.assert_allclose(sigmas, IO[f"{name}.sigmas"], atol=2e-7, rtol=0)
    off = np.abs(np.trunc(np.float32(1000) * sigmas[:-1]) - IO[f"{name}.timesteps_long"])
    assert off.max() <= (0 if steps in EXACT[schedule] else 1)


def test_linear_levels_are_those_of_the_release_to_the_bit():
    np.testing.assert_array_equal(linear(10), IO["sigmas.linear_10.sigmas"])


@pytest.mark.parametrize("steps", STEPS)
def test_the_default_drops_the_evaluation_that_moves_nothing(steps):
    np.testing.assert_allclose(sway(steps), release_sway(steps)[:-1], atol=1e-7)
    assert sway(steps)[-1] == 0


def test_scheduler_steps():
    x, sigmas = jnp.asarray(IO["sched.x0"]), release_sway(4)
    for velocity, state, sigma, following in zip(
        IO["sched.v"], IO["sched.traj"], sigmas[:-1], sigmas[1:], strict=True
    ):
        plan = euler(np.array([sigma, following]))
        x = sample(lambda x, sigma, v=velocity: jnp.asarray(v), x, plan)
        assert error(x, state) < TOLERANCE


@functools.cache
def generator():
    config, params = load_audiogen(CheckpointFolder(FOLDER / "audiogen_tiny"))
    t5_config, t5_params = load_t5(CheckpointFolder(FOLDER / "t5_tiny"))
    released = DashengAudioGen(config, t5_config).with_quirks(Quirks.of("release"))
    both = released.for_sampling({"text_encoder": t5_params, "audiogen": params})
    tokens = Tokens(IO["gen.input_ids"], IO["gen.attention_mask"].astype(bool))
    return released, both, jax.jit(released.condition)(both, tokens)


@functools.cache
def release_sampler(guidance: float):
    """Noise and plan to latents, by the velocity with and without text together as released."""
    model, params, encoded = generator()
    mask = IO["gen.latent_mask"].astype(bool)
    how = Guidance.classifier_free(guidance) if guidance > 1 else Guidance.off()
    velocity, prepare = guided_velocity(model, params, encoded, how, mask, unconditional=True)
    return jax.jit(lambda noise, plan: sample(velocity, noise, plan, prepare=prepare))


@functools.cache
def decoder():
    config, params = load_tokenizer(CheckpointFolder(FOLDER / "tokenizer_tiny"))
    model = DashengTokenizer(config)
    return jax.jit(lambda latents: model.apply({"params": params}, latents, method="decode"))


def test_conditions_and_lengths():
    model, _, encoded = generator()
    assert error(encoded.context, IO["gen.backbone_context"]) < TOLERANCE
    assert error(encoded.context, IO["gen.adapter.content"]) < TOLERANCE
    assert error(encoded.log_duration, IO["gen.adapter.global_duration"]) < TOLERANCE
    np.testing.assert_array_equal(encoded.context_mask, IO["gen.backbone_context_mask"])
    frames = IO["gen.latent_mask"].shape[1]
    time_aligned = jnp.broadcast_to(encoded.time_aligned, (3, frames, 64))
    np.testing.assert_array_equal(time_aligned, IO["gen.backbone_time_aligned_context"])
    lengths = global_latent_lengths(encoded.log_duration, model.config)
    np.testing.assert_array_equal(lengths, IO["gen.latent_length"])


def test_trajectory():
    """One step after the other; all in a loop give the last state, see below."""
    states, sigmas = [IO["gen.noise"].swapaxes(1, 2)], release_sway(4)
    for step in range(len(sigmas) - 1):
        states.append(release_sampler(5.0)(states[-1], euler(sigmas[step : step + 2])))
    assert error(jnp.stack(states).swapaxes(2, 3), IO["gen.n4_g5.traj"]) < TOLERANCE


@pytest.mark.parametrize(
    ("case", "steps", "guidance", "coefficient"),
    [
        ("n4_g5", 4, 5.0, -1.0),
        ("n4_g1", 4, 1.0, -1.0),
        ("n10_g5", 10, 5.0, -1.0),
        # n10_g1 goes through the whole pipeline in infer/test_release.
        ("n4_g5_linear", 4, 5.0, 0.0),
    ],
)
def test_generation(case, steps, guidance, coefficient):
    noise = IO["gen.noise"].swapaxes(1, 2)
    latents = release_sampler(guidance)(noise, euler(release_sway(steps, coefficient)))
    assert error(latents.swapaxes(1, 2), IO[f"gen.{case}.latent"]) < TOLERANCE
    np.testing.assert_allclose(decoder()(latents), IO[f"gen.{case}.waveform"], atol=1e-4, rtol=0)
