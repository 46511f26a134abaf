"""A generator that changes recordings, as its velocity network sees them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.models.parameter_trees import leaves_beyond, with_leaves
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
    assert {name: list(leaves) for name, leaves in added.items()} == {
        "source_proj": ["kernel"],
        "source_embed": ["kernel"],
    }
    rng = np.random.default_rng(0)
    added = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), added)
    return {**params, "audiogen": with_leaves(params["audiogen"], added)}


@pytest.fixture(scope="module")
def velocity():
    """Parameters and a source -> the velocity with the text and without."""

    @jax.jit
    def follow(params, source):
        condition = EDITOR.condition(params, PROMPTS._replace(source=source))
        both = condition, EDITOR.unconditional(condition)
        return tuple(EDITOR.velocity(params, each, X, SIGMA, FRAMES) for each in both)

    return follow


@pytest.fixture(scope="module")
def new(params):
    """The velocity of the generator that makes new clips."""

    @jax.jit
    def follow(params):
        return GENERATOR.velocity(params, GENERATOR.condition(params, PROMPTS), X, SIGMA, FRAMES)

    return follow(params)


def test_an_editor_begins_as_its_generator(trained, velocity, new):
    network = trained["audiogen"]
    added = {name: network[name] for name in ("source_proj", "source_embed")}
    began = {**trained, "audiogen": {**network, **jax.tree.map(np.zeros_like, added)}}
    np.testing.assert_allclose(velocity(began, SOURCE)[0], new, atol=1e-5)


def test_zeros_stand_for_no_recording_and_the_source_outlives_the_text(trained, velocity, new):
    nothing = velocity(trained, jnp.zeros_like(SOURCE))
    np.testing.assert_allclose(nothing[0], new, atol=1e-5)
    source = velocity(trained, SOURCE)
    for with_source, without in zip(source, nothing, strict=True):
        assert np.abs(with_source - without).max() > 1e-3
    # Of a frame that a mask hides nothing is seen.
    hidden = jnp.where(FRAMES[:, :, None], SOURCE, 7.0)
    np.testing.assert_allclose(velocity(trained, hidden)[0], source[0], atol=1e-5)


def test_sampling_reads_the_source_as_training_does(trained, velocity):
    """Cached, with a cheap half without text, against both halves as training shows them."""
    with_text, without = velocity(trained, SOURCE)
    expected = without + 3.0 * (with_text - without)

    @jax.jit
    def follow(trained, sigma):
        guided, levels = guided_velocity(
            EDITOR,
            EDITOR.for_sampling(trained),
            EDITOR.condition(trained, EDITS),
            Guidance.classifier_free(3.0),
            FRAMES,
            unconditional=True,
        )
        return guided(X, jax.tree.map(lambda leaf: leaf[0], levels(sigma[None])))

    for row, sigma in enumerate(SIGMA):
        np.testing.assert_allclose(follow(trained, sigma)[row], expected[row], atol=2e-4)


def test_later_frames_of_a_longer_recording(trained):
    condition = jax.jit(EDITOR.condition)(trained, EDITS)
    later = EDITOR.on_frames(condition, 2, 2)
    np.testing.assert_array_equal(later.source, condition.source[:, 2:4])
    each = EDITOR.on_frames(condition, jnp.array([0, 1]), 2)
    np.testing.assert_array_equal(each.source[1], condition.source[1, 1:3])


def test_recordings_where_none_belong(params, trained):
    with pytest.raises(ValueError, match="makes new ones alone"):
        GENERATOR.condition(params, EDITS)
    with pytest.raises(ValueError, match="give it one"):
        EDITOR.condition(trained, PROMPTS)
