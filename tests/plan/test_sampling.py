"""Plans of a batch of clips, against the sampler that they stand for."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.checkpoints.registry import GENERATORS
from audiogen_jax.infer.compile import Programs
from audiogen_jax.infer.layout import inference_mesh
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.generator import DashengAudioGen
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.plan.memory import DoesNotFitError, check_fits
from audiogen_jax.plan.sampling import plan_sampling, sampling_shapes
from audiogen_jax.train.config import load_config
from audiogen_jax.types import Tokens, parse_dtype
from tests.train.conftest import ROOT

OPTIONS = SamplingOptions(steps=2)


@pytest.fixture(scope="module")
def plan():
    return plan_sampling(load_config(f"{ROOT}/configs/xl.py:smoke"), "h200:8", 16, OPTIONS)


def test_a_plan_adds_up(plan):
    assert (plan["chips"], plan["batch"], plan["frames"], plan["steps"]) == (8, 16, 25, 2)
    assert plan["flops"]["per_clip"] == plan["flops"]["per_chip"] / 2
    # Every chip holds every parameter, four bytes each.
    assert plan["memory"]["parameters"] == 4 * plan["parameters"]
    assert plan["memory"]["arguments"] > plan["memory"]["parameters"]
    check_fits(plan)
    small = plan["memory"] | {"hbm": 1.0}
    with pytest.raises(DoesNotFitError, match="a sampled batch needs .* Try "):
        check_fits(plan | {"memory": small})


def instructions(lowered: jax.stages.Lowered) -> list[str]:
    """Of the compiled program, but for the places in the source that they come from."""
    lines = (lowered.compile().as_text() or "").splitlines()
    return [re.sub(r", metadata={[^}]*}", "", line) for line in lines if " = " in line]


def test_the_program_is_that_of_the_sampler(plan, monkeypatch):
    """Planned from shapes alone, it is the program that real weights run."""
    run, texts = Programs.__call__, []

    def recorded(self, *arguments, **static):
        texts.append(instructions(self.lower(*arguments, **static)))
        return run(self, *arguments, **static)

    monkeypatch.setattr(Programs, "__call__", recorded)
    config = load_config(f"{ROOT}/configs/xl.py:smoke")
    generator = GENERATORS["dasheng_audiogen"].make(config.model, jnp.float32)
    shapes = sampling_shapes(generator, np.dtype(np.float32))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    sampler = Sampler(generator, zeros, inference_mesh(jax.local_devices()))
    prompts = Tokens(np.zeros((16, 32), np.int32), np.ones((16, 32), bool))
    conditions = [[row] for row in sampler.condition(prompts)]
    noise = np.zeros((16, 25, generator.latent_dim), np.float32)
    latents = sampler.sample(conditions, np.full(16, 25, np.int32), noise, OPTIONS)
    assert latents.shape == noise.shape
    assert texts == [instructions(planned) for planned in sampler.lower(16, 32, 25, OPTIONS)]


def test_what_takes_more_evaluations_is_planned(plan):
    options = SamplingOptions(
        steps=2, solver="heun", negative="<|caption|> noise", view_guidance={"sfx": 2.0}
    )
    costly = plan_sampling(load_config(f"{ROOT}/configs/xl.py:smoke"), "h200:8", 16, options)
    # Twice per step, under three conditions instead of two, of which one was no text and cheaper.
    ratio = costly["flops"]["per_clip"] / plan["flops"]["per_clip"]
    assert 2.5 < ratio < 3.5


def test_shapes_are_those_of_unstacked_weights():
    generator = DashengAudioGen(AudioGenConfig(dit_depth=4), T5Config(num_layers=1))
    shapes = sampling_shapes(generator, parse_dtype("bfloat16"))
    blocks = shapes["audiogen"]["dit"]["blocks"]
    assert len(blocks) == 5 and blocks[0]["attention"]["query"]["kernel"].dtype == jnp.bfloat16
    assert (
        blocks[0]["attention"]["query"]["kernel"].shape
        == blocks[2]["attention"]["query"]["kernel"].shape
    )


def test_batches_that_do_not_split():
    config = load_config(f"{ROOT}/configs/xl.py:smoke")
    with pytest.raises(ValueError, match="12 clips does not split over 8 devices"):
        plan_sampling(config, "h200:8", 12, OPTIONS)
    with pytest.raises(ValueError, match="only flow_matching"):
        plan_sampling(load_config(f"{ROOT}/configs/nano_encoder.py"), "h200:8", 8, OPTIONS)
