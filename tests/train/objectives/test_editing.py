"""An editor begins as its generator, learns from pairs, and goes through all seams."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.train.batches import host_batch, open_batches
from audiogen_jax.train.config import load_config
from audiogen_jax.train.loop import train_model
from audiogen_jax.train.stages import load_objective, parse_config
from tests.configs.test_configs import FOLDER

ADDED = {"source_proj": (16, 16), "source_embed": (16, 32)}
"""What an editor of the tiny generator has beyond it."""


def editing(init, manifest, *overrides):
    """The smoke config on a manifest of single clips."""
    settings = ("text_encoder=" + str(init), f"init={init}", *overrides)
    config = load_config(f"{FOLDER / 'nano_editor'}.py:smoke", settings)
    with config.unlocked():
        config.data.edits.manifests = ((str(manifest), 1.0),)
        config.data.batch_sizes = (8,)
        config.data.edits.roles = {"sfx": 1.0}
        config.data.edits.backgrounds = {"00A": 1.0}
        config.data.edits.timeline = 0.0
        config.eval.batches = 0
    return config


@pytest.fixture(scope="module")
def objective(tiny_checkpoint, sounds):
    return load_objective(parse_config(editing(tiny_checkpoint, sounds)))


def test_an_editor_begins_as_the_generator_at_init(objective):
    shapes = jax.eval_shape(objective.init_state, jax.random.key(0))
    state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
    network = objective.prepare(state).params["audiogen"]
    assert not any(network[name]["kernel"].any() for name in ADDED)
    for layer in ("patch_embed", "final_linear"):
        loaded = objective.loaded["audiogen"]["dit"][layer]["kernel"]
        np.testing.assert_array_equal(network["dit"][layer]["kernel"], loaded)


def test_adapters_leave_the_base_and_train_what_it_has_not(tiny_checkpoint, sounds):
    config = parse_config(editing(tiny_checkpoint, sounds, "lora.rank=2", "lora.alpha=2.0"))
    adapted = load_objective(config)
    shapes = jax.eval_shape(adapted.init_state, jax.random.key(0)).params
    assert sorted(shapes) == ["adapters", "audiogen"]
    assert sorted(shapes["audiogen"]) == sorted(ADDED)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    whole = adapted.assemble(zeros, adapted.frozen)
    assert sorted(whole["audiogen"]) == sorted([*adapted.loaded["audiogen"], *ADDED])


def test_losses_depend_on_the_source_unless_it_is_dropped(objective):
    batch = host_batch(next(iter(open_batches(objective.config.data, "train", 0)))).arrays
    assert batch.source is not None and batch.source.shape == batch.audio.shape
    key, loaded = jax.random.key(0), objective.loaded
    rng = np.random.default_rng(0)
    added = {name: {"kernel": rng.normal(size=shape)} for name, shape in ADDED.items()}
    network = {**loaded["audiogen"], **jax.tree.map(np.float32, added)}
    params = objective.assemble({"audiogen": network}, objective.frozen)

    @jax.jit
    def loss(source, drop):
        changed = batch._replace(source=source, drop_source=drop, drop_condition=0 * drop)
        clips = objective._examples(changed, key, key)
        return objective._losses(params, objective.frozen, clips, key, jnp.array(50.0))["flow"]

    kept, dropped = np.zeros(8, bool), np.ones(8, bool)
    assert abs(loss(batch.source, kept) - loss(batch.source[:, ::-1], kept)) > 1e-5
    assert loss(batch.source, dropped) == loss(batch.source[:, ::-1], dropped)


def test_what_is_exported_edits_and_is_no_generator(objective, sounds, tmp_path):
    loaded = objective.loaded
    added = {name: {"kernel": np.zeros(shape, np.float32)} for name, shape in ADDED.items()}
    network = {**loaded["audiogen"], **added}
    objective.export({"audiogen": network}, tmp_path / "export")
    editor = ag.load(tmp_path / "export")
    assert editor.generator.edits and editor.edits
    with pytest.raises(ValueError, match="changes recordings and makes no new ones"):
        editor.generate("<|caption|> rain", steps=2, duration=0.5)
    settings = [f"init={tmp_path / 'export'}", f"data={sounds}"]
    with pytest.raises(ValueError, match="is an editor: train it on with objective 'editing'"):
        load_objective(parse_config(load_config(f"{FOLDER / 'finetune'}.py", settings)))
    # Trained on, it stays one, and has nothing to begin with.
    again = load_objective(parse_config(editing(tmp_path / "export", sounds)))
    assert again.generator.edits and again.base is None


@pytest.mark.slow
def test_training_goes_through_the_loop(tiny_checkpoint, sounds, tmp_path):
    train_model(editing(tiny_checkpoint, sounds), tmp_path / "work")
    editor = ag.load(tmp_path / "work" / "export")
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    options = dataclasses.replace(editor.editing_options("add"), steps=2)
    clip = editor.edit("remove", noise, 16000, what="rain", options=options)
    assert clip.audio.shape == noise.shape
