"""FLOPs of a trace against what is known of the function."""

import jax
import jax.numpy as jnp
import pytest
from jax._src.cudnn import fused_attention_stablehlo

from audiogen_jax.ops import attention as ops
from audiogen_jax.train.flops import matmul_flops

X, W = jnp.zeros((4, 5)), jnp.zeros((5, 6))
PRODUCT = 2 * 4 * 5 * 6


def test_products_and_convolutions():
    assert matmul_flops(jax.jit(lambda x, w: jnp.tanh(x @ w)), X, W) == PRODUCT
    image, kernel = jnp.zeros((2, 3, 10)), jnp.zeros((7, 3, 5))  # 10 - 5 + 1 = 6 positions
    convolve = jax.jit(lambda x, k: jax.lax.conv(x, k, (1,), "VALID"))
    assert matmul_flops(convolve, image, kernel) == 2 * (2 * 7 * 6) * (3 * 5)


def test_loops_and_gradients():
    def loop(x, w):
        return jax.lax.scan(lambda c, _: (c @ w, None), x, length=9)[0]

    square = jnp.zeros((5, 5))
    one = 2 * 4 * 5 * 5
    assert matmul_flops(jax.jit(loop), X, square) == 9 * one
    gradient = jax.jit(jax.grad(lambda w: loop(X, w).sum()))
    assert matmul_flops(gradient, square) == 9 * 3 * one  # forward, towards x and towards w
    branches = jax.jit(lambda x: jax.lax.cond(x.sum() > 0, lambda: x @ W, lambda: 2 * (x @ W)))
    assert matmul_flops(branches, X) == PRODUCT
    remat = jax.jit(jax.grad(lambda w: jax.checkpoint(lambda w: jnp.tanh(X @ w).sum())(w)))
    assert matmul_flops(remat, W) == 3 * PRODUCT  # once forward, again, and towards w


def test_the_fused_attention_of_cudnn_counts_like_xlas(monkeypatch):
    query, key = (jnp.zeros((2, length, 4, 64), jnp.bfloat16) for length in (10, 6))
    gradient = jax.grad(lambda q, k, v: ops.attention(q, k, v).sum(), argnums=(0, 1, 2))
    expected = matmul_flops(jax.jit(gradient), query, key, key)
    monkeypatch.setattr(fused_attention_stablehlo, "check_cudnn_version", lambda: 91000)
    monkeypatch.setattr(ops, "implementation", lambda *_: "cudnn")
    fused = jax.grad(lambda q, k, v: ops.attention(q, k, v).sum(), argnums=(0, 1, 2))
    assert matmul_flops(jax.jit(fused), query, key, key) == expected == 6 * 2 * 2 * 10 * 6 * 4 * 64


def test_unknown_rounds():
    def forever(x):
        return jax.lax.while_loop(lambda x: x.sum() > 0, lambda x: x @ x, x)

    with pytest.raises(ValueError, match="while loop"):
        matmul_flops(jax.jit(forever), jnp.zeros((2, 2)))
    assert matmul_flops(jax.jit(jnp.tanh), X) == 0
