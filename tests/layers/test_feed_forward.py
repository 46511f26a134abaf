import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.layers.feed_forward import GEGLU, Mlp

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4)), jnp.float32)


def gelu(x):
    """x times the normal distribution function, not its tanh approximation."""
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def random_params(module):
    shapes = jax.eval_shape(module.init, jax.random.key(0), X)["params"]
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)


def linear(x, layer):
    return x @ np.float64(layer["kernel"]) + layer["bias"]


def test_mlp():
    params = random_params(Mlp(8))
    expected = linear(gelu(linear(X, params["fc1"])), params["fc2"])
    np.testing.assert_allclose(Mlp(8).apply({"params": params}, X), expected, atol=2e-5)


def test_geglu_gates_with_the_second_half():
    params = random_params(GEGLU(8))
    hidden = linear(X, params["proj_in"])
    expected = linear(hidden[..., :8] * gelu(hidden[..., 8:]), params["proj_out"])
    np.testing.assert_allclose(GEGLU(8).apply({"params": params}, X), expected, atol=2e-5)


@pytest.mark.parametrize("module", [Mlp, GEGLU])
def test_width_is_kept(module):
    shape = jax.eval_shape(module(8).init_with_output, jax.random.key(0), X)[0].shape
    assert shape == X.shape
