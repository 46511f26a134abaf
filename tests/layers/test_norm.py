import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.layers.norm import NORMS, LayerNorm, RMSNorm

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 16)).astype(np.float32)
SCALE, BIAS = RNG.normal(size=(2, 16)).astype(np.float32)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-5])
def test_layer_norm_is_its_formula(epsilon):
    x = 1e-3 * X.astype(np.float64)  # small enough for epsilon to matter
    normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)
    params = {"params": {"scale": SCALE, "bias": BIAS}}
    actual = LayerNorm(epsilon=epsilon).apply(params, x.astype(np.float32))
    np.testing.assert_allclose(actual, normal * SCALE + BIAS, atol=1e-5)


def test_rms_norm_is_its_formula():
    x = 1e-3 * X.astype(np.float64)
    expected = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + 1e-6) * SCALE
    actual = RMSNorm().apply({"params": {"scale": SCALE}}, x.astype(np.float32))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_layer_norm_survives_a_large_mean():
    params = {"params": {"scale": np.ones(16, np.float32), "bias": np.zeros(16, np.float32)}}
    offset = np.float32(4096)  # E[x^2] - E[x]^2 loses every digit of the variance here
    shifted = X + offset
    np.testing.assert_allclose(
        LayerNorm().apply(params, shifted), LayerNorm().apply(params, shifted - offset), atol=2e-3
    )


@pytest.mark.parametrize("kind", NORMS)
def test_statistics_are_float32_under_bfloat16(kind):
    norm = NORMS[kind](dtype=jnp.bfloat16)
    x = (X * 3 + 100).astype(jnp.bfloat16)
    params = norm.init(jax.random.key(0), x)
    actual = norm.apply(params, x)
    assert actual.dtype == jnp.bfloat16
    exact = NORMS[kind]().apply(params, x.astype(jnp.float32))
    # One rounding of the result, at most 2^-8 of its size, and none of the statistics.
    np.testing.assert_allclose(actual.astype(jnp.float32), exact, rtol=2**-8, atol=1e-6)
