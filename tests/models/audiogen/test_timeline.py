"""What sounds when, as the velocity network sees it."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.models.audiogen.alignment import sounding_content
from audiogen_jax.types import Tokens
from tests.models.audiogen.test_generator import FRAMES, GENERATOR, IDS, MASK, PROMPTS, SIGMA, X
from tests.models.audiogen.test_generator import params as params

RATE = GENERATOR.latent_rate
SPANS = jnp.zeros((2, 3, 2)).at[0, 1].set((1 / RATE, 3 / RATE)).at[1, 0].set((0.0, 1 / RATE))


@given(st.data())
def test_frames_hold_the_mean_of_what_sounds(data):
    """Against one frame and one token at a time."""
    tokens, frames = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    times = st.floats(-2, 8, width=32)
    pairs = st.lists(times, min_size=2, max_size=2).map(sorted)
    spans = np.array(data.draw(st.lists(pairs, min_size=tokens, max_size=tokens)), np.float32)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=tokens, max_size=tokens)))
    content = np.arange(2 * tokens, dtype=np.float32).reshape(tokens, 2) + 1
    nothing = np.array([-1.0, -2.0], np.float32)
    found = sounding_content(
        jnp.asarray(content[None]),
        jnp.asarray(spans[None]),
        jnp.asarray(mask[None]),
        jnp.asarray(nothing[None, None]),
        frames,
    )
    for t in range(frames):
        sounding = [
            content[i]
            for i, (start, end) in enumerate(spans)
            if mask[i] and start < end and start < t + 1 and end > t
        ]
        expected = np.mean(sounding, axis=0) if sounding else nothing
        np.testing.assert_allclose(found[0, t], expected, rtol=1e-6)


def velocity(params, prompts: Tokens, change=lambda condition: condition):
    condition = change(GENERATOR.condition(params, prompts))
    return np.asarray(GENERATOR.velocity(params, condition, X, SIGMA, FRAMES))


def test_times_that_say_nothing_change_nothing(params):
    untimed = velocity(params, PROMPTS)
    silent = velocity(params, Tokens(IDS, MASK, SPANS * 0))
    np.testing.assert_allclose(silent, untimed, atol=2e-6)  # other programs
    timed = velocity(params, Tokens(IDS, MASK, SPANS))
    assert (np.abs(timed - untimed).reshape(2, -1).max(axis=1) > 1e-4).all()


def test_without_a_prompt_no_times_are_seen(params):
    without = velocity(params, PROMPTS, GENERATOR.unconditional)
    timed = velocity(params, Tokens(IDS, MASK, SPANS), GENERATOR.unconditional)
    np.testing.assert_allclose(timed, without, atol=2e-6)


def test_frames_of_a_window_are_those_of_the_whole(params):
    condition = GENERATOR.condition(params, Tokens(IDS, MASK, SPANS))
    whole = GENERATOR.on_frames(condition, 0, 5)
    window = GENERATOR.on_frames(condition, 2, 3)
    np.testing.assert_allclose(window.time_aligned, whole.time_aligned[:, 2:], rtol=1e-6)
    assert window.spans is None and whole.time_aligned.shape == (2, 5, 8)
    plain = GENERATOR.condition(params, PROMPTS)
    assert GENERATOR.on_frames(plain, 2, 3) is plain


def test_sampling_sees_the_same_times_as_training(params):
    prepared = GENERATOR.for_sampling(params)
    condition = GENERATOR.condition(params, Tokens(IDS, MASK, SPANS))
    cache = GENERATOR.cache(prepared, GENERATOR.on_frames(condition, 0, 5), 2)
    level = jax.tree.map(lambda leaf: leaf[0], GENERATOR.levels(prepared, jnp.array([0.3])))
    both = jnp.concatenate([X, X])
    frames = jnp.concatenate([FRAMES, FRAMES])
    found = GENERATOR.sampling_velocity(prepared, cache, level, both, frames)
    sigma = jnp.full(2, 0.3)
    conditional = GENERATOR.velocity(params, condition, X, sigma, FRAMES)
    without = GENERATOR.velocity(params, GENERATOR.unconditional(condition), X, sigma, FRAMES)
    np.testing.assert_allclose(found, np.concatenate([without, conditional]), atol=2e-5)
