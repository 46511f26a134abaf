"""A flow map begins as its teacher, learns its trajectories, and goes through all seams."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import audiogen_jax as ag
from audiogen_jax.checkpoints.adapters import load_adapters
from audiogen_jax.flow.flow_map import Jump
from audiogen_jax.train.config import load_config
from audiogen_jax.train.loop import train_model
from audiogen_jax.train.objectives.distillation import Distillation
from audiogen_jax.train.objectives.flow_map_distillation import FlowMapDistillation
from audiogen_jax.train.stages import load_objective, parse_config
from audiogen_jax.train.start import start_state
from audiogen_jax.train.state import TrainState
from tests.models.audiogen.test_generator import FRAMES, GENERATOR, PROMPTS, SIGMA, X
from tests.train.conftest import metrics_rows


def few_steps(tiny_checkpoint, manifest, *overrides: str, config="nano_few_steps:flow_map"):
    settings = [
        f"init={tiny_checkpoint}",
        f"data.manifests=(({str(manifest)!r}, 1.0),)",
        "data.num_workers=0",
        "data.buckets=(1.0,)",
        "data.batch_sizes=(4,)",
        "data.max_tokens=16",
        "steps=2",
        "log_every=1",
        "eval.batches=0",
        "mesh.data=1",
        "optimizer.warmup_steps=1",
    ]
    if config.endswith(":flow_map"):
        settings += ["trajectory_steps=4", "few=(2,)", "jumps=2"]
    config = load_config(config, [*settings, *overrides])
    with config.unlocked():
        config.data.scenes = None
    return config


def objective(rank: int, params, tiny_config) -> Distillation:
    config = dataclasses.replace(
        tiny_config, lora=dataclasses.replace(tiny_config.lora, rank=rank, alpha=float(rank))
    )
    student = GENERATOR.as_distilled("flow_map")
    return FlowMapDistillation(config, student, None, params, base=GENERATOR)


@pytest.fixture(scope="module")
def tiny_config(tiny_checkpoint, manifest):
    config = parse_config(few_steps(tiny_checkpoint, manifest, "trajectory_steps=4", "few=(1, 2)"))
    data = dataclasses.replace(config.data)
    return dataclasses.replace(config, data=data)


def begins_as_teacher(student: Distillation, state, params) -> None:
    jump = Jump(jnp.array([3.0, 1.0]), jnp.array([0.5, 0.1]))

    @jax.jit
    def velocities(trained, params):
        whole = student.assemble(trained, params)
        condition = GENERATOR.condition(params, PROMPTS)
        return (
            student.generator.velocity(whole, condition, X, SIGMA, FRAMES, jump),
            GENERATOR.velocity(params, condition, X, SIGMA, FRAMES),
        )

    found, expected = velocities(state.params, params)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_adapters_that_are_zero_are_the_teacher(params, tiny_config):
    student = objective(2, params, tiny_config)
    state = jax.eval_shape(student.init_state, jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), state.params)
    assert sorted(zeros) == ["adapters", "audiogen"]
    assert sorted(zeros["audiogen"]["dit"]) == ["guidance_embed", "until_embed"]
    begins_as_teacher(student, state.replace(params=zeros), params)


@pytest.mark.slow
def test_a_student_begins_as_its_teacher(params, tiny_config):
    student = objective(0, params, tiny_config)
    shapes = jax.eval_shape(student.init_state, jax.random.key(0))
    here = NamedSharding(jax.make_mesh((1,), ("data",)), PartitionSpec())
    places = jax.tree.map(lambda _: here, shapes)
    begins_as_teacher(student, start_state(student, jax.random.key(0), shapes, places), params)


@pytest.mark.parametrize("rank", [4, pytest.param(0, marks=pytest.mark.slow)])
def test_jumps_are_learned_exported_and_sampled(tiny_checkpoint, manifest, tmp_path, rank: int):
    how = (f"lora.rank={rank}", "steps=24", "optimizer.learning_rate=2e-2")
    train_model(few_steps(tiny_checkpoint, manifest, *how), tmp_path / "work")
    errors = [row["jump"] for row in metrics_rows(tmp_path / "work")]
    assert np.mean(errors[-6:]) < 0.6 * np.mean(errors[:6]), errors

    pipeline = ag.load(tmp_path / "work" / "export")
    assert pipeline.generator.distilled == "flow_map"
    one, two = (
        pipeline.generate("<|caption|> rain", steps=2, duration=0.5, guidance=g)[0].audio
        for g in (2.0, 6.0)
    )
    assert np.isfinite(one).all()
    assert one.shape == two.shape
    with pytest.raises(ValueError, match="solver: the model is a flow map"):
        pipeline.generate("<|caption|> rain", steps=2, duration=0.5, solver="heun")

    with pytest.raises(ValueError, match="was distilled: train the generator"):
        load_objective(parse_config(few_steps(tmp_path / "work" / "export", manifest)))


def test_a_training_goes_on_from_adapters(tiny_checkpoint, manifest, tmp_path):
    """Parameters and average begin with them; of another kind they are refused by name."""
    train_model(few_steps(tiny_checkpoint, manifest, "lora.rank=4"), tmp_path / "work")
    adapters = tmp_path / "work" / "export" / "adapters.safetensors"

    def start(*changes: str, **kind: str) -> TrainState:
        changes = "lora.rank=4", f"lora.init={adapters}", *changes
        student = load_objective(
            parse_config(few_steps(tiny_checkpoint, manifest, *changes, **kind))
        )
        return student.prepare(jax.eval_shape(student.init_state, jax.random.key(0)))

    state, expected = start(), load_adapters(adapters)
    assert any(leaf["lora_b"].any() for leaf in expected.matrices.values())
    for found in (state.params, state.ema):
        jax.tree.map(np.testing.assert_array_equal, found["adapters"], expected.matrices)
        jax.tree.map(np.testing.assert_array_equal, found["audiogen"], expected.added)
    for wrong, message in {
        ("lora.alpha=4",): "scale 10.0, expected 1.0",
        ("lora.rank=8", "lora.alpha=80"): r"lora.rank=8: .*lora_a' is \(.* 4\), expected \(.* 8\)",
    }.items():
        with pytest.raises(ValueError, match=f"lora.init=.*adapters.safetensors.*{message}"):
            start(*wrong)
    with pytest.raises(ValueError, match="form 'flow_map', expected 'guided'"):
        start(config="nano_few_steps")
    with pytest.raises(ValueError, match="no adapters are trained, lora.rank is 0"):
        start("lora.rank=0")


def test_the_published_size_is_planned_without_files():
    settings = parse_config(load_config("xl:few_steps", ["data.text_tokenizer=unread.json"]))
    student = FlowMapDistillation.without_parameters(settings)
    state = jax.eval_shape(student.init_state, jax.random.key(0))
    frozen = student.frozen_shapes()
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(each)) for each in (state.params, frozen)]
    assert sizes[0] == pytest.approx(2.19e9, rel=0.01)
    assert sorted(frozen) == ["audiogen", "text_encoder"]
