"""The content adapter's masks and gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.content_adapter import ContentAdapter

CONFIG = AudioGenConfig(
    content_dim=8,
    task_instruction_dim=8,
    instruction_seq_len=3,
    adapter_num_heads=2,
    duration_predictor_filter_channels=6,
    duration_predictor_n_layers=2,
)
RNG = np.random.default_rng(0)
CONTENT = jnp.asarray(RNG.standard_normal((2, 5, 8), np.float32))
MASK = jnp.arange(5) < jnp.array([[5], [3]])
INSTRUCTION = jnp.asarray(RNG.standard_normal((2, 3, 8), np.float32))
INSTRUCTION_MASK = jnp.arange(3) < jnp.array([[3], [2]])


@pytest.fixture(scope="module")
def variables():
    inputs = CONTENT, MASK, INSTRUCTION, INSTRUCTION_MASK
    return jax.jit(ContentAdapter(CONFIG).init)(jax.random.key(0), *inputs)


@functools.cache
def jitted(config):
    return jax.jit(ContentAdapter(config).apply)


def adapt(variables, content, instruction=INSTRUCTION, config=CONFIG):
    return jitted(config)(variables, content, MASK, instruction, INSTRUCTION_MASK)


def test_padding_reaches_neither_context_nor_length(variables):
    clean = adapt(variables, CONTENT)
    dirty_instruction = jnp.where(INSTRUCTION_MASK[..., None], INSTRUCTION, jnp.nan)
    dirty = adapt(variables, jnp.where(MASK[..., None], CONTENT, jnp.nan), dirty_instruction)
    np.testing.assert_array_equal(dirty.content[MASK], clean.content[MASK])
    np.testing.assert_array_equal(dirty.global_duration, clean.global_duration)


def test_padding_reaches_the_local_durations_beside_it(variables):
    """As in the release, whose first convolution is not masked; generation ignores them."""
    clean = adapt(variables, CONTENT).local_duration
    dirty = adapt(variables, jnp.where(MASK[..., None], CONTENT, 9.0)).local_duration
    np.testing.assert_array_equal(dirty[0], clean[0])
    np.testing.assert_array_equal(dirty[1, 3:], 0)
    assert dirty[1, 2] != clean[1, 2]
    # Two layers of three taps: padding is two tokens away at most.
    np.testing.assert_array_equal(dirty[1, 0], clean[1, 0])


def test_durations_train_the_adapter_slowly(variables):
    def gradient(scale):
        config = AudioGenConfig(**{**vars(CONFIG), "adapter_duration_grad_scale": scale})

        def total(variables):
            return jnp.sum(adapt(variables, CONTENT, config=config).global_duration)

        return jax.grad(total)(variables)["params"]

    full, slow = gradient(1.0), gradient(0.1)
    np.testing.assert_allclose(slow["norm"]["scale"], 0.1 * full["norm"]["scale"], rtol=1e-4)
    np.testing.assert_allclose(
        slow["duration_fc1"]["bias"], full["duration_fc1"]["bias"], rtol=1e-5
    )


def test_dropout_needs_asking_for(variables):
    def apply(key):
        inputs = CONTENT, MASK, INSTRUCTION, INSTRUCTION_MASK
        return ContentAdapter(CONFIG).apply(variables, *inputs, False, rngs={"dropout": key})

    apply = jax.jit(apply)
    first, again, other = (apply(jax.random.key(seed)).content for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
