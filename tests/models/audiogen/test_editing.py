"""A generator that changes recordings, as its velocity network sees them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.train.objectives.added_parameters import leaves_beyond, with_leaves
from tests.models.audiogen.test_generator import FRAMES, GENERATOR, PROMPTS, SIGMA, X
from tests.models.audiogen.test_generator import params as params

EDITOR = GENERATOR.as_editor()
SOURCE = jnp.asarray(np.random.default_rng(3).normal(size=X.shape), jnp.float32)
EDITS = PROMPTS._replace(source=SOURCE)


@pytest.fixture(scope="module")
def trained(params):
    """Parameters of an editor that does not ignore recordings."""
    shapes = jax.eval_shape(EDITOR.init, jax.random.key(0))["audiogen"]
    added = leaves_beyond(shapes, params["audiogen"])
    assert list(added) == ["source_proj"] and list(added["source_proj"]) == ["kernel"]
    rng = np.random.default_rng(0)
    added = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), added)
    return {**params, "audiogen": with_leaves(params["audiogen"], added)}


@pytest.fixture(scope="module")
def velocity():
    @jax.jit
    def follow(params, source):
        condition = EDITOR.condition(params, PROMPTS._replace(source=source))
        without = EDITOR.unconditional(condition)
        return tuple(
            EDITOR.velocity(params, each, X, SIGMA, FRAMES) for each in (condition, without)
        )

    return follow


def test_an_editor_begins_as_its_generator(params, trained, velocity):
    began = {**params, "audiogen": with_leaves(trained["audiogen"], {})}
    began["audiogen"] = {**began["audiogen"], "source_proj": {"kernel": jnp.zeros_like(
        trained["audiogen"]["source_proj"]["kernel"])}}  # fmt: skip
    condition = GENERATOR.condition(params, PROMPTS)
    expected = GENERATOR.velocity(params, condition, X, SIGMA, FRAMES)
    np.testing.assert_allclose(velocity(began, SOURCE)[0], expected, atol=1e-5)


def test_zeros_stand_for_no_recording_and_the_source_outlives_the_text(params, trained, velocity):
    condition = GENERATOR.condition(params, PROMPTS)
    nothing = velocity(trained, jnp.zeros_like(SOURCE))
    expected = GENERATOR.velocity(params, condition, X, SIGMA, FRAMES)
    np.testing.assert_allclose(nothing[0], expected, atol=1e-5)
    source = velocity(trained, SOURCE)
    for with_source, without in zip(source, nothing, strict=True):
        assert np.abs(with_source - without).max() > 1e-3
    # Of a frame that a mask hides nothing is seen.
    hidden = jnp.where(FRAMES[:, :, None], SOURCE, 7.0)
    np.testing.assert_allclose(velocity(trained, hidden)[0], source[0], atol=1e-5)


def test_sampling_reads_the_source_as_training_does(trained, velocity):
    """Cached, with a cheap half without text, against both halves as training shows them."""
    with_text, without = velocity(trained, SOURCE)
    params = EDITOR.for_sampling(trained)
    guided, levels = guided_velocity(
        EDITOR,
        params,
        EDITOR.condition(trained, EDITS),
        Guidance.classifier_free(3.0),
        FRAMES,
        unconditional=True,
    )
    sigmas = jnp.unique(SIGMA)
    for i, sigma in enumerate(sigmas):
        level = jax.tree.map(lambda leaf, i=i: leaf[i], levels(sigmas))
        rows = np.flatnonzero(np.asarray(SIGMA) == float(sigma))
        expected = without + 3.0 * (with_text - without)
        np.testing.assert_allclose(guided(X, level)[rows], expected[rows], atol=2e-4)


def test_later_frames_of_a_longer_recording(trained):
    condition = EDITOR.condition(trained, EDITS)
    later = EDITOR.on_frames(condition, 2, 2)
    np.testing.assert_array_equal(later.source, condition.source[:, 2:4])
    each = EDITOR.on_frames(condition, jnp.array([0, 1]), 2)
    np.testing.assert_array_equal(each.source[1], condition.source[1, 1:3])


def test_recordings_where_none_belong(params, trained):
    with pytest.raises(ValueError, match="makes new ones alone"):
        GENERATOR.condition(params, EDITS)
    with pytest.raises(ValueError, match="give it one"):
        EDITOR.condition(trained, PROMPTS)
