"""The velocity model's masks, stacks and initialisation; its numbers are in tests/parity."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.dit import DiT

CONFIG = AudioGenConfig(
    latent_dim=6,
    dit_in_chans=6,
    dit_out_chans=6,
    dit_embed_dim=8,
    dit_depth=4,
    dit_num_heads=2,
    dit_mlp_ratio=2.0,
    dit_ta_context_dim=5,
)
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal((2, 7, 6), np.float32))
CONTEXT = jnp.asarray(RNG.standard_normal((2, 4, 8), np.float32))
ALIGNED = jnp.asarray(RNG.standard_normal((2, 7, 5), np.float32))
TIME = jnp.array([900.0, 123.4])
X_MASK = jnp.arange(7) < jnp.array([[7], [4]])
CONTEXT_MASK = jnp.arange(4) < jnp.array([[4], [2]])


@pytest.fixture(scope="module")
def variables():
    """Every parameter random: the zeros of the initialisation would hide mistakes."""
    inputs = X, TIME, CONTEXT, CONTEXT_MASK, ALIGNED, X_MASK
    shapes = jax.eval_shape(DiT(CONFIG).init, jax.random.key(0), *inputs)
    return jax.tree.map(
        lambda leaf: np.random.default_rng(leaf.size).normal(0, 0.3, leaf.shape).astype(np.float32),
        shapes,
    )


@functools.cache
def jitted(unmasked, **options):
    def apply(variables, x, context, aligned):
        inputs = x, TIME, context, CONTEXT_MASK, aligned, X_MASK
        return DiT(CONFIG, **options).apply(variables, *inputs, unmasked)

    return jax.jit(apply)


def velocity(variables, x=X, context=CONTEXT, aligned=ALIGNED, unmasked=False, **options):
    return jitted(unmasked, **options)(variables, x, context, aligned)


def with_nan_padding(values, mask):
    return jnp.where(mask[..., None], values, jnp.nan)


def test_padding_does_not_reach_valid_frames(variables):
    clean = velocity(variables)
    dirty = velocity(
        variables,
        with_nan_padding(X, X_MASK),
        with_nan_padding(CONTEXT, CONTEXT_MASK),
        with_nan_padding(ALIGNED, X_MASK),
    )
    np.testing.assert_array_equal(dirty[X_MASK], clean[X_MASK])


def test_a_padded_clip_is_the_clip_alone(variables):
    alone = jax.jit(DiT(CONFIG).apply)(
        variables, X[1:, :4], TIME[1:], CONTEXT[1:, :2], None, ALIGNED[1:, :4], None
    )
    np.testing.assert_allclose(velocity(variables)[1:, :4], alone, atol=1e-5)


def test_the_release_lets_padding_into_the_last_valid_frame(variables):
    clean = velocity(variables, unmasked=True)
    dirty = velocity(variables, jnp.where(X_MASK[..., None], X, 5.0), unmasked=True)
    np.testing.assert_array_equal(dirty[1, :3], clean[1, :3])
    assert np.any(dirty[1, 3] != clean[1, 3])


@functools.cache
def gradient(**options):
    """Of what is made of the valid frames, as training does; beside it the velocity."""

    def loss(variables, x):
        out = velocity(variables, x, **options)
        return jnp.sum(jnp.where(X_MASK[..., None], out, 0) ** 2), out

    return jax.jit(jax.grad(loss, has_aux=True))


def test_padding_reaches_no_gradient(variables):
    clean, _ = gradient()(variables, X)
    dirty, _ = gradient()(variables, jnp.where(X_MASK[..., None], X, 5.0))
    for ours, theirs in zip(jax.tree.leaves(dirty), jax.tree.leaves(clean), strict=True):
        assert np.any(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


REMAT = pytest.param({"remat": "nothing_saveable"}, marks=pytest.mark.slow)  # see test_stack


@pytest.mark.parametrize("options", [{"unroll": True}, REMAT])
def test_unrolled_and_rematerialised_stacks_agree(variables, options):
    expected, plain = gradient()(variables, X)
    found, out = gradient(**options)(variables, X)
    np.testing.assert_allclose(out, plain, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5 * X.size)


def test_content_of_all_frames_at_once(variables):
    one = ALIGNED[:, :1]
    spread = jnp.broadcast_to(one, ALIGNED.shape)
    np.testing.assert_allclose(
        velocity(variables, aligned=one), velocity(variables, aligned=spread), atol=1e-5
    )


def test_bfloat16_compute(variables):
    exact = velocity(variables)
    half = velocity(variables, dtype=jnp.bfloat16)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half, exact, atol=0.1 * np.abs(exact).max())


def test_velocity_starts_at_zero(variables):
    """As the last layer does, whatever is before it."""

    @jax.jit
    def zeros(key):  # nothing else is drawn, which would take long to compile
        inputs = X, TIME, CONTEXT, CONTEXT_MASK, ALIGNED, X_MASK
        params = DiT(CONFIG).init(key, *inputs)["params"]
        return {name: params[name] for name in ("final_conv", "final_modulation")} | {
            name: {"modulation": params[name]["modulation"]}
            for name in ("in_blocks", "mid_block", "out_blocks")
        }

    begun = zeros(jax.random.key(0))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(begun))
    last = {"final_conv": begun["final_conv"]}
    assert not np.any(velocity({"params": variables["params"] | last}))
