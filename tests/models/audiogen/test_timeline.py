"""What sounds when, as the velocity network sees it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.flow.windows import Windows
from audiogen_jax.models.audiogen.alignment import sounding_content
from audiogen_jax.models.guided_velocity import guided_velocity
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


@functools.partial(jax.jit, static_argnames="told")
def velocity(params, prompts: Tokens, told: bool = True):
    condition = GENERATOR.condition(params, prompts)
    condition = condition if told else GENERATOR.unconditional(condition)
    return GENERATOR.velocity(params, condition, X, SIGMA, FRAMES)


def test_times_that_say_nothing_change_nothing(params):
    untimed = velocity(params, PROMPTS)
    silent = velocity(params, Tokens(IDS, MASK, SPANS * 0))
    np.testing.assert_allclose(silent, untimed, atol=2e-6)  # other programs
    timed = velocity(params, Tokens(IDS, MASK, SPANS))
    assert (np.abs(timed - untimed).reshape(2, -1).max(axis=1) > 1e-4).all()


def test_without_a_prompt_no_times_are_seen(params):
    without = velocity(params, PROMPTS, told=False)
    timed = velocity(params, Tokens(IDS, MASK, SPANS), told=False)
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
    @jax.jit
    def both_ways(params):
        prepared = GENERATOR.for_sampling(params)
        condition = GENERATOR.condition(params, Tokens(IDS, MASK, SPANS))
        guided = guided_velocity(
            GENERATOR, prepared, condition, GUIDANCE, FRAMES, unconditional=True
        )
        found = guided.velocity(X, level_of(guided, 0.3))
        sigma = jnp.full(2, 0.3)
        told = GENERATOR.velocity(params, condition, X, sigma, FRAMES)
        without = GENERATOR.unconditional(condition)
        return found, told, GENERATOR.velocity(params, without, X, sigma, FRAMES)

    found, told, without = both_ways(params)
    np.testing.assert_allclose(found, -2 * without + 3 * told, atol=2e-5)


GUIDANCE = Guidance.classifier_free(3.0)


def level_of(guided, sigma: float):
    return jax.tree.map(lambda leaf: leaf[0], guided.levels(jnp.array([sigma])))


def test_windows_with_prompts_of_their_own(params):
    """Against one window after the other; a clip has fewer windows than the other."""
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.standard_normal((2, 9, 4), np.float32))
    weights = rng.uniform(0.1, 1.0, (2, 4, 5)).astype(np.float32)
    weights[0, 1, 3:] = 0  # it does not see its end
    windows = Windows(
        starts=np.array([[0, 4, 2, 0], [3, 0, 0, 0]], np.int32),
        weights=weights,
        prompts=np.array([[0, 1, 1, 0], [1, 0, 0, 0]], np.int32),
        count=np.array([3, 1], np.int32),
    )
    windows.weights[1, 1:] = 0
    texts = [Tokens(IDS, MASK, SPANS), Tokens(IDS[:, ::-1], MASK, SPANS * 0.5)]

    @jax.jit
    def in_windows(params):
        conditions = [GENERATOR.condition(params, text) for text in texts]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *conditions)
        prepared, mask = GENERATOR.for_sampling(params), jnp.ones((2, 9), bool)
        guided = guided_velocity(
            GENERATOR, prepared, stacked, GUIDANCE, mask, unconditional=True, windows=windows
        )
        return guided.velocity(x, level_of(guided, 0.3))

    @jax.jit
    def one_window(params, clip, prompt, start, weight):
        conditions = [GENERATOR.condition(params, text) for text in texts]
        condition = jax.tree.map(lambda *leaves: jnp.stack(leaves)[prompt, clip][None], *conditions)
        condition = GENERATOR.on_frames(condition, start[None], 5)
        inside = jax.lax.dynamic_slice_in_dim(x[clip], start, 5)[None]
        arguments = inside, jnp.array([0.3]), (weight > 0)[None]
        told = GENERATOR.velocity(params, condition, *arguments)
        without = GENERATOR.velocity(params, GENERATOR.unconditional(condition), *arguments)
        return weight[:, None] * (-2 * without + 3 * told)[0]

    expected = np.zeros((2, 9, 4), np.float32)
    for clip in range(2):
        for number in range(windows.count[clip]):
            start, prompt = windows.starts[clip, number], windows.prompts[clip, number]
            part = one_window(params, clip, prompt, start, weights[clip, number])
            expected[clip, start : start + 5] += part
    np.testing.assert_allclose(in_windows(params), expected, atol=3e-5)
