"""The text encoder's own properties; its numbers are checked in tests/parity."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.layers.embeddings import relative_position_buckets
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.models.t5.encoder import T5Encoder

CONFIG = T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=12, num_layers=2, num_heads=2)
IDS = jnp.array([[3, 4, 5, 6], [7, 8, 0, 0]])
MASK = jnp.array([[True] * 4, [True, True, False, False]])


@pytest.fixture(scope="module")
def variables():
    return jax.jit(T5Encoder(CONFIG).init)(jax.random.key(0), IDS, MASK)


@functools.cache
def jitted(**options):
    return jax.jit(T5Encoder(CONFIG, **options).apply)


def encode(variables, ids, mask, **options):
    return jitted(**options)(variables, ids, mask)


def test_padding_does_not_reach_the_tokens(variables):
    expected = encode(variables, IDS[1:, :2], MASK[1:, :2])
    embeds = T5Encoder(CONFIG).apply(variables, IDS, method="embed")
    dirty = jnp.where(MASK[..., None], embeds, jnp.nan)
    out = T5Encoder(CONFIG).apply(variables, None, MASK, dirty)
    np.testing.assert_allclose(out[1:, :2], expected, atol=1e-6)


@pytest.mark.parametrize("options", [{"unroll": True}, {"remat": "nothing_saveable"}])
def test_unrolled_and_rematerialised_stacks_agree(variables, options):
    plain = encode(variables, IDS, MASK)
    np.testing.assert_allclose(encode(variables, IDS, MASK, **options), plain, atol=1e-6)


def test_relative_position_buckets():
    buckets = relative_position_buckets(300, 32, 128)
    np.testing.assert_array_equal(buckets[10, 3:18], [*range(7, 0, -1), 0, *range(17, 24)])
    # Beyond 8 the buckets double their width every other one; beyond 128 there is but one.
    np.testing.assert_array_equal(
        buckets[0, [8, 11, 12, 16, 23, 32, 64, 91, 128, 299]],
        [24, 24, 25, 26, 27, 28, 30, 31, 31, 31],
    )
    assert buckets[299, 0] == 15
