"""The DiT of the samplers is the DiT, with less to do at every step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.models.audiogen.cached_dit import (
    cached_velocity,
    prepare_levels,
    prepare_text,
    unstack_blocks,
)
from audiogen_jax.models.audiogen.dit import DiT
from tests.models.audiogen.test_dit import (
    ALIGNED,
    CONFIG,
    CONTEXT,
    CONTEXT_MASK,
    RNG,
    X_MASK,
    X,
    variables,
)

__all__ = ["variables"]  # a fixture
DIT = DiT(CONFIG)
FREE = jnp.asarray(RNG.standard_normal((3, 7, 6), np.float32))
FREE_MASK = jnp.arange(7) < jnp.array([[7], [3], [5]])
SIGMAS = jnp.array([0.9, 0.4321])


def copied(variables):
    return unstack_blocks(jax.tree.map(jnp.asarray, variables["params"]))


def test_blocks_come_out_of_their_stacks_in_order(variables):
    params = copied(variables)
    assert len(params["blocks"]) == CONFIG.dit_depth + 1
    first_out = variables["params"]["out_blocks"]["skip_linear"]["kernel"][0]
    np.testing.assert_array_equal(params["blocks"][3]["skip_linear"]["kernel"], first_out)


@pytest.mark.parametrize("unmasked", [False, True])
@pytest.mark.parametrize("aligned", [ALIGNED, ALIGNED[:, :1]], ids=["per frame", "for all"])
def test_clips_with_and_without_text(variables, unmasked, aligned):
    """Clips without text first: their constant stands for attention to zeros of any number."""

    @jax.jit
    def cached(params):
        nothing = jnp.zeros((3, *aligned.shape[1:]))
        text = prepare_text(DIT, params, CONTEXT, jnp.concatenate([nothing, aligned]))
        mask = jnp.concatenate([FREE_MASK, X_MASK])
        velocity = cached_velocity(DIT, params, text, CONTEXT_MASK, mask, unmasked)
        levels = prepare_levels(DIT, params, 1000 * SIGMAS)
        x = jnp.concatenate([FREE, X])
        return [velocity(x, jax.tree.map(lambda leaf, i=i: leaf[i], levels)) for i in range(2)]

    found = cached(copied(variables))
    apply = jax.jit(DIT.apply, static_argnums=7)
    for sigma, out in zip(SIGMAS, found, strict=True):
        time = 1000 * sigma
        expected = apply(
            variables, X, jnp.full(2, time), CONTEXT, CONTEXT_MASK, aligned, X_MASK, unmasked
        )
        np.testing.assert_allclose(out[3:], expected, atol=2e-5)
        zeros = jnp.zeros((3, *CONTEXT.shape[1:])), jnp.zeros((3, *aligned.shape[1:]))
        some = jnp.ones((3, 4), bool)
        expected = apply(
            variables, FREE, jnp.full(3, time), zeros[0], some, zeros[1], FREE_MASK, unmasked
        )
        np.testing.assert_allclose(out[:3], expected, atol=2e-5)


def test_a_step_does_only_what_the_latents_reach(variables):
    params = copied(variables)
    text = prepare_text(DIT, params, CONTEXT, jnp.concatenate([ALIGNED[:, :1] * 0, ALIGNED[:, :1]]))
    both = jnp.concatenate([X, X])
    mask = jnp.concatenate([X_MASK, X_MASK])
    level = jax.tree.map(lambda leaf: leaf[0], prepare_levels(DIT, params, 1000 * SIGMAS))
    velocity = cached_velocity(DIT, params, text, CONTEXT_MASK, mask)
    jaxpr = str(jax.make_jaxpr(velocity)(both, level))
    blocks, half = CONFIG.dit_depth + 1, CONFIG.dit_depth // 2
    # Self-attention 4 + 2, cross-attention 2 + 2 (no keys, no values), MLP 2; no modulation.
    expected = blocks * 12 + half + 2
    assert jaxpr.count("dot_general") == expected
