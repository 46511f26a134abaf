"""Products with weights in half precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.infer.compile import compiler_options
from audiogen_jax.ops import widened

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal((2, 3, 30)), jnp.float32)
WEIGHT = jnp.asarray(RNG.standard_normal((30, 14)), jnp.bfloat16)
WIDE = np.asarray(WEIGHT, np.float32)


@pytest.mark.parametrize("buffer", [1, 5 * 14, 1 << 17])
def test_products_of_any_block(monkeypatch, buffer):
    monkeypatch.setattr(widened, "_BUFFER", buffer)
    monkeypatch.setattr(widened, "_ROWS", 2)
    found = widened.dot(X, WEIGHT, jnp.float32)
    np.testing.assert_allclose(found, np.asarray(X) @ WIDE, atol=1e-5)
    found = widened.dot_transposed(X, WEIGHT.T, jnp.float32)
    np.testing.assert_allclose(found, np.asarray(X) @ WIDE, atol=1e-5)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="others widen nothing")
@pytest.mark.parametrize("product", [widened.dot, widened.dot_transposed])
def test_no_wide_copy_of_a_weight(product):
    weight = jax.ShapeDtypeStruct((2048, 2048), jnp.bfloat16)
    x = jax.ShapeDtypeStruct((1, 2048), jnp.float32)
    function = jax.jit(
        lambda x, weight: product(x, weight, jnp.float32), compiler_options=compiler_options(weight)
    )
    memory = function.lower(x, weight).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 1 << 20
