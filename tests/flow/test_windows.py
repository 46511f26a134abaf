"""Clips longer than a window, as overlapping windows blended at every step."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import audiogen_jax as ag
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.schedules import sway
from audiogen_jax.flow.solvers import euler
from audiogen_jax.flow.windows import in_windows, window_starts


@given(window=st.integers(2, 40), extra=st.integers(1, 200))
def test_windows_cover_a_clip_and_overlap_by_half(window, extra):
    length = window + extra
    starts = window_starts(length, window)
    assert starts[0] == 0 and starts[-1] == length - window
    hops = np.diff(starts)
    assert (hops > 0).all() and (hops <= max(1, window // 2)).all()


def test_a_short_clip_is_left_alone():
    mask = jnp.ones((1, 8), bool)

    def velocity(x, sigma):
        return x

    assert in_windows(lambda mask: velocity, mask, 8) is velocity


def test_equal_windows_blend_into_the_same_clip():
    """Where the velocity of a frame does not depend on its window, windows change nothing."""
    noise = jnp.asarray(np.random.default_rng(0).standard_normal((2, 50, 3), np.float32))
    mask = jnp.arange(50) < jnp.array([[50], [37]])
    velocity = in_windows(lambda mask: lambda x, sigma: x * (1 + sigma), mask, 20)
    plan = euler(sway(4))
    whole = sample(lambda x, sigma: x * (1 + sigma), noise, plan, mask)
    np.testing.assert_allclose(sample(velocity, noise, plan, mask), whole, rtol=1e-5, atol=1e-6)


def test_frames_take_the_mean_of_their_windows():
    """Each window answers with the mean of what it sees: the blend moves gradually."""

    def velocity_of(mask):
        return lambda x, sigma: jnp.broadcast_to(x.mean(axis=1, keepdims=True), x.shape)

    x = jnp.linspace(0, 1, 60)[None, :, None]
    out = np.asarray(in_windows(velocity_of, jnp.ones((1, 60), bool), 20)(x, 1.0))[0, :, 0]
    assert np.all(np.diff(out) > -1e-6) and np.abs(np.diff(out)).max() < 0.04


@pytest.fixture(scope="module")
def piano():
    """30 s of a piano by the embedded model, six times the longest clip of its training."""
    pipeline = ag.load()
    (clip,) = pipeline.generate(
        "<|caption|> A piano plays. <|music|> piano music",
        seed=1,
        duration=30.0,
        steps=6,
        solver="ab2",
    )
    return clip, pipeline.generator.window / pipeline.generator.latent_rate


@pytest.mark.slow
def test_seams_are_not_louder_than_the_rest(piano):
    clip, window = piano
    assert len(clip.audio) == 30 * clip.sample_rate
    block = clip.sample_rate // 10
    level = np.sqrt((clip.audio.reshape(-1, block) ** 2).mean(axis=1) + 1e-12)
    decibels = 20 * np.log10(level)
    starts = window_starts(30 * 25, round(window * 25)) / 25.0
    edges = np.concatenate([starts[1:], starts[:-1] + window])
    near = np.zeros(len(decibels), bool)
    for edge in edges:
        near[max(0, int(edge * 10) - 2) : int(edge * 10) + 3] = True
    assert near.any() and not near.all()
    # Loudness, and how far it jumps from one tenth of a second to the next.
    assert np.median(decibels[near]) < np.median(decibels[~near]) + 1.5
    jumps = np.abs(np.diff(decibels))
    at_seam = near[1:]
    assert np.percentile(jumps[at_seam], 90) < np.percentile(jumps[~at_seam], 90) + 1.5


@pytest.mark.slow
def test_a_long_clip_does_not_fade(piano):
    clip, _ = piano
    thirds = np.sqrt((clip.audio.reshape(3, -1) ** 2).mean(axis=1))
    assert thirds.min() > 0.25 * thirds.max()
