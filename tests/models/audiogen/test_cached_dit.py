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


@pytest.mark.parametrize(
    ("aligned", "unmasked"),
    [(ALIGNED, False), (ALIGNED[:, :1], True)],
    ids=["per frame", "for all, unmasked"],
)
def test_clips_with_and_without_text(variables, aligned, unmasked):
    """Clips without text first: their constant stands for attention to zeros of any number."""
    nothing = jnp.zeros((3, *aligned.shape[1:]))
    both = jnp.concatenate([nothing, aligned])
    x, mask = jnp.concatenate([FREE, X]), jnp.concatenate([FREE_MASK, X_MASK])

    @jax.jit
    def cached(params, level):
        text = prepare_text(DIT, params, CONTEXT, both)
        velocity = cached_velocity(DIT, params, text, CONTEXT_MASK, mask, unmasked)
        levels = prepare_levels(DIT, params, 1000 * SIGMAS)
        return velocity(x, jax.tree.map(lambda leaf: leaf[level], levels))

    @jax.jit
    def trained(variables, time):
        context = jnp.concatenate([jnp.zeros((3, *CONTEXT.shape[1:])), CONTEXT])
        context_mask = jnp.concatenate([jnp.ones((3, 4), bool), CONTEXT_MASK])
        times = jnp.full(5, time)
        return DIT.apply(variables, x, times, context, context_mask, both, mask, unmasked)

    params = copied(variables)
    for level, sigma in enumerate(SIGMAS):
        found, expected = cached(params, level), trained(variables, 1000 * sigma)
        np.testing.assert_allclose(found, expected, atol=2e-5)


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
