"""A student learns what guidance makes of several calls, and takes one."""

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.caption import StructuredCaption
from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.input.mixture import collate_condition
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.train.batches import host_batch
from audiogen_jax.train.loop import train_model
from audiogen_jax.train.objectives.flow_matching import Examples
from audiogen_jax.train.objectives.guidance_distillation import (
    GuidanceDistillation,
    GuidedExamples,
)
from audiogen_jax.train.stages import parse_config
from audiogen_jax.types import Tokens
from tests.models.audiogen.test_generator import FRAMES, GENERATOR, PROMPTS, X
from tests.train.conftest import metrics_rows
from tests.train.objectives.test_distillation import few_steps

SCENE = "<|caption|> a dog and a man <|speech|> a man <|asr|> hello <|sfx|> a dog"
VOICE = "<|caption|> a man <|speech|> a man <|asr|> hello"


@dataclasses.dataclass(frozen=True)
class Clip:
    text: str
    drop_condition: bool = False
    clip_id: str = "0"
    timeline: None = None


def test_texts_without_a_view(tiny_checkpoint):
    tokenizer = TextTokenizer.from_file(tiny_checkpoint / "tokenizer.json")
    clips = [Clip(SCENE), Clip(VOICE), Clip("")]
    fields = collate_condition(clips, tokenizer, 64, ("speech", "sfx"))
    fields |= {"audio": np.zeros((3, 8, 1), np.float32), "lengths": np.full(3, 8, np.int32)}
    batch = host_batch(fields).arrays
    assert batch.without is not None
    scene = StructuredCaption.parse(SCENE)
    for view, texts in (
        ("speech", [scene.without("speech").format(), VOICE, ""]),
        ("sfx", [scene.without("sfx").format(), VOICE, ""]),
    ):
        expected = tokenizer.encode_batch(texts, 64)
        np.testing.assert_array_equal(batch.without[view].ids, expected.ids)
        np.testing.assert_array_equal(batch.without[view].mask, expected.mask)


def test_what_is_learned_is_what_the_sampler_follows(params, tiny_checkpoint, manifest):
    """With the scale of a view: 1 + 2 (3 - 1) = 5 beside 3 of the whole."""
    config = parse_config(few_steps(tiny_checkpoint, manifest, config="nano_few_steps"))
    config = dataclasses.replace(config, view_guidance={"speech": 2.0})
    objective = GuidanceDistillation(
        config, GENERATOR.as_distilled("guided"), None, params, base=GENERATOR
    )
    rest = Tokens(PROMPTS.ids, PROMPTS.mask & (jnp.arange(3) < 2))
    sigma = jnp.full(2, 0.6)
    examples = Examples(X, FRAMES.sum(1), sigma, PROMPTS, jnp.zeros(2, bool), sigma, X)
    clips = GuidedExamples(examples, {"speech": rest}, jnp.full(2, 3.0))
    learned = jax.jit(objective._guided)(params, clips, X, FRAMES)

    both = Tokens(*(jnp.concatenate(pair) for pair in zip(PROMPTS[:2], rest[:2], strict=True)))

    @jax.jit
    def followed(params):
        sampling = GENERATOR.for_sampling(params)
        velocity, levels = guided_velocity(
            GENERATOR,
            sampling,
            GENERATOR.condition(sampling, both),
            Guidance.classifier_free(3.0, (5.0,)),
            FRAMES,
            unconditional=True,
        )
        return velocity(X, jax.tree.map(lambda leaf: leaf[0], levels(sigma[:1])))

    valid = np.asarray(FRAMES)
    np.testing.assert_allclose(
        np.asarray(learned)[valid], np.asarray(followed(params))[valid], atol=1e-4
    )


def test_a_student_learns_and_takes_few_steps(tiny_checkpoint, manifest, tmp_path):
    how = ("duration_weight=50.0", "lora.rank=4", "steps=24", "optimizer.learning_rate=2e-2")
    train_model(
        few_steps(tiny_checkpoint, manifest, *how, config="nano_few_steps"), tmp_path / "work"
    )
    rows = metrics_rows(tmp_path / "work")
    losses = [row["loss"] for row in rows]
    durations = np.array([row["duration"] for row in rows])
    assert durations.min() > 0
    np.testing.assert_allclose(losses, [r["guided"] for r in rows] + 50 * durations, rtol=1e-4)
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:6]), losses

    student = ag.load(tmp_path / "work" / "export")
    assert student.generator.distilled == "guided"
    asked = dict(prompts="<|caption|> rain", duration=0.5)
    (few,) = student.generate(**asked, steps=4)
    (same,) = student.generate(**asked, steps=4, solver="unipc", schedule="logistic")
    np.testing.assert_array_equal(few.audio, same.audio)
    (other,) = student.generate(**asked, steps=4, guidance=2.0)
    assert np.abs(few.audio - other.audio).max() > 0
    shutil.copytree(tiny_checkpoint, tmp_path / "base")
    shutil.copyfile(
        tmp_path / "work" / "export" / "adapters.safetensors",
        tmp_path / "base" / "few_steps.safetensors",
    )
    (beside,) = ag.load(tmp_path / "base").generate(**asked, steps=4)
    np.testing.assert_allclose(beside.audio, few.audio, atol=1e-4)
    with pytest.raises(ValueError, match="negative: the model is told one guidance scale"):
        student.generate(**asked, steps=4, negative="<|caption|> noise")


def test_few_steps_are_those_that_suit_the_network():
    options = SamplingOptions(steps=4)
    suited = options.in_few_steps("guided")
    assert (suited.solver, suited.schedule) == ("unipc", "logistic")
    assert suited.plan().calls == 4
    assert options.in_few_steps("flow_map") == options
    for other, network in (
        (options, ""),
        (SamplingOptions(steps=25), "guided"),
        (SamplingOptions(steps=4, solver="ab2"), "guided"),
        (SamplingOptions(steps=4, schedule="linear"), "guided"),
    ):
        assert other.in_few_steps(network) is other


def test_a_flow_map_takes_no_guidance_of_views(tiny_checkpoint, manifest):
    config = few_steps(tiny_checkpoint, manifest)
    with config.unlocked():
        config.view_guidance = {"speech": 2.0}
    with pytest.raises(ValueError, match="view_guidance"):
        parse_config(config)
