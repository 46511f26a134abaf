"""What sounds when, as the velocity network sees it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
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
    # Few shapes, as each is compiled.
    tokens, frames = data.draw(st.sampled_from([1, 4])), data.draw(st.sampled_from([1, 6]))
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


FOLLOW = jax.jit(GENERATOR.velocity)


@pytest.fixture(scope="module")
def conditions(params):
    """Without times, and with them."""
    condition = jax.jit(GENERATOR.condition)
    return condition(params, PROMPTS), condition(params, Tokens(IDS, MASK, SPANS))


@pytest.fixture(scope="module")
def velocity(params):
    return lambda condition: np.asarray(FOLLOW(params, condition, X, SIGMA, FRAMES))


def test_times_that_say_nothing_change_nothing(conditions, velocity):
    untimed, timed = conditions
    silent = timed._replace(spans=0 * timed.spans)
    np.testing.assert_allclose(velocity(silent), velocity(untimed), atol=2e-6)  # other programs
    apart = np.abs(velocity(timed) - velocity(untimed)).reshape(2, -1).max(axis=1)
    assert (apart > 1e-4).all()


def test_without_a_prompt_no_times_are_seen(conditions, velocity):
    untimed, timed = (velocity(GENERATOR.unconditional(each)) for each in conditions)
    np.testing.assert_allclose(timed, untimed, atol=2e-6)


def test_frames_of_a_window_are_those_of_the_whole(conditions):
    plain, condition = conditions
    whole = GENERATOR.on_frames(condition, 0, 5)
    window = GENERATOR.on_frames(condition, 2, 3)
    np.testing.assert_allclose(window.time_aligned, whole.time_aligned[:, 2:], rtol=1e-6)
    assert window.spans is None and whole.time_aligned.shape == (2, 5, 8)
    assert GENERATOR.on_frames(plain, 2, 3) is plain


GUIDANCE = Guidance.classifier_free(3.0)


def level_of(guided, sigma: float):
    return jax.tree.map(lambda leaf: leaf[0], guided.levels(jnp.array([sigma])))


def guided_by_training(velocity, condition):
    """The guided velocity by what training calls."""
    return -2 * velocity(GENERATOR.unconditional(condition)) + 3 * velocity(condition)


def test_sampling_sees_the_same_times_as_training(params, conditions):
    _, condition = conditions

    @jax.jit
    def sampled(params, condition):
        prepared = GENERATOR.for_sampling(params)
        guided = guided_velocity(
            GENERATOR, prepared, condition, GUIDANCE, FRAMES, unconditional=True
        )
        return guided.velocity(X, level_of(guided, 0.3))

    expected = guided_by_training(
        lambda told: FOLLOW(params, told, X, jnp.full(2, 0.3), FRAMES), condition
    )
    np.testing.assert_allclose(sampled(params, condition), expected, atol=2e-5)


def test_windows_with_prompts_of_their_own(params, conditions):
    """Against one window after the other; a clip has fewer windows than the other."""
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.standard_normal((2, 9, 4), np.float32))
    weights = rng.uniform(0.1, 1.0, (2, 4, 5)).astype(np.float32)
    weights[0, 1, 3:] = 0  # it does not see its end
    weights[0, 3:] = weights[1, 1:] = 0
    windows = Windows(
        starts=np.array([[0, 4, 2, 0], [3, 0, 0, 0]], np.int32),
        weights=weights,
        prompts=np.array([[0, 1, 1, 0], [1, 0, 0, 0]], np.int32),
        count=np.array([3, 1], np.int32),
    )
    _, first = conditions
    second = first._replace(context=0.5 * first.context[:, ::-1], spans=0.5 * first.spans)

    @jax.jit
    def in_windows(params):
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), first, second)
        prepared, mask = GENERATOR.for_sampling(params), jnp.ones((2, 9), bool)
        guided = guided_velocity(
            GENERATOR, prepared, stacked, GUIDANCE, mask, unconditional=True, windows=windows
        )
        return guided.velocity(x, level_of(guided, 0.3))

    expected = np.zeros((2, 9, 4), np.float32)
    for clip in range(2):
        for number in range(windows.count[clip]):
            start, weight = int(windows.starts[clip, number]), weights[clip, number]
            whole = (first, second)[windows.prompts[clip, number]]
            condition = jax.tree.map(lambda leaf, clip=clip: leaf[clip][None], whole)
            condition = GENERATOR.on_frames(condition, start, 5)
            arguments = x[clip, start : start + 5][None], jnp.array([0.3]), (weight > 0)[None]
            part = guided_by_training(
                lambda told, arguments=arguments: FOLLOW(params, told, *arguments), condition
            )
            expected[clip, start : start + 5] += weight[:, None] * np.asarray(part[0])
    np.testing.assert_allclose(in_windows(params), expected, atol=3e-5)
