"""A separator learns from pairs, and what is exported edits."""

import jax
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.train.batches import host_batch, open_batches
from audiogen_jax.train.config import load_config
from audiogen_jax.train.loop import train_model
from audiogen_jax.train.objectives.separation import _entropy
from audiogen_jax.train.stages import load_objective, parse_config
from tests.configs.test_configs import FOLDER


def separating(init, manifest, *overrides):
    """The smoke config on a manifest of single clips."""
    config = load_config(f"{FOLDER / 'nano_separator'}.py:smoke", (f"init={init}", *overrides))
    with config.unlocked():
        config.data.edits.manifests = ((str(manifest), 1.0),)
        config.data.edits.roles = {"sfx": 1.0}
        config.data.edits.backgrounds = {"00A": 1.0}
        config.eval.batches = 0
    return config


@pytest.fixture(scope="module")
def objective(tiny_checkpoint, sounds):
    return load_objective(parse_config(separating(tiny_checkpoint, sounds)))


def test_masks_that_are_right_have_no_loss_and_those_that_do_nothing_zero_decibels(objective):
    """Of a named sound that is the whole recording, or none of it."""
    batch = host_batch(next(iter(open_batches(objective.config.data, "train", 0)))).arrays
    batch = batch._replace(lengths=np.full(8, batch.audio.shape[1]))
    params = objective.init_state(jax.random.key(0)).params
    closed = jax.tree.map(np.zeros_like, params["separator"])
    measure = jax.jit(lambda network, batch: objective._metrics(network, objective.frozen, batch))
    whole, silent = batch._replace(audio=batch.source), batch._replace(audio=0 * batch.audio)
    for bias, right, wrong in ((-30.0, silent, whole), (30.0, whole, silent)):
        closed["masks"]["bias"][:] = bias
        good, bad = (measure({"separator": closed}, each) for each in (right, wrong))
        assert good["loss"] == pytest.approx(0, abs=1e-5) and bad["loss"] > 10
        assert good["error_db"] == pytest.approx(-30, abs=0.01)
        assert bad["error_db"] == pytest.approx(0, abs=0.01)
    half = batch._replace(source=2 * batch.audio)
    closed["masks"]["bias"][:] = 0.0
    assert measure({"separator": closed}, half)["loss"] == pytest.approx(0, abs=1e-5)


def test_a_share_that_a_rounding_lifts_above_one_has_an_entropy():
    """All of a bin, by the division of a GPU."""
    shares = np.float32([0, 0.5, 1, np.nextafter(np.float32(1), np.float32(2))])
    np.testing.assert_allclose(_entropy(shares), [0, np.log(2), 0, 0], atol=1e-6)


def test_a_warm_start_begins_with_the_separator_beside_the_generator(
    objective, tiny_checkpoint, sounds, tmp_path
):
    trained = objective.init_state(jax.random.key(7)).params
    objective.export(trained, tmp_path / "separated")
    warm = load_objective(
        parse_config(separating(tmp_path / "separated", sounds, "warm_start=true"))
    )
    started = warm.prepare(jax.eval_shape(warm.init_state, jax.random.key(0)))
    jax.tree.map(np.testing.assert_array_equal, started.params, trained)
    jax.tree.map(np.testing.assert_array_equal, started.ema, trained)
    with pytest.raises(ValueError, match="warm_start: there is no separator beside"):
        load_objective(parse_config(separating(tiny_checkpoint, sounds, "warm_start=true")))
    wider = separating(tmp_path / "separated", sounds, "warm_start=true", "model.hidden=32")
    with pytest.raises(ValueError, match="hidden=32"):
        load_objective(parse_config(wider))


@pytest.mark.slow
def test_training_goes_through_the_loop(tiny_checkpoint, sounds, tmp_path):
    train_model(separating(tiny_checkpoint, sounds), tmp_path / "work")
    editor = ag.load(tmp_path / "work" / "export")
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    assert editor.edit("remove", noise, 16000, what="rain").audio.shape == noise.shape


def test_pairs_that_are_not_extracted(tiny_checkpoint, sounds):
    config = separating(tiny_checkpoint, sounds)
    with config.unlocked():
        config.data.edits.kinds = {"extract": 0.5, "add": 0.5}
    with pytest.raises(ValueError, match="learns 'extract' alone, not \\['add'\\]"):
        parse_config(config)
