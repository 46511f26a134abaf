"""Attention under masks, and which implementation computes it."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.cudnn import fused_attention_stablehlo

from audiogen_jax.ops import attention as ops
from audiogen_jax.ops.attention import attention, implementation, nvidia_capability

RNG = np.random.default_rng(0)
QUERY = jnp.asarray(RNG.standard_normal((3, 4, 2, 8), np.float32))
KEY, VALUE = jnp.asarray(RNG.standard_normal((2, 3, 6, 2, 8), np.float32))
MASK = jnp.arange(6) < jnp.array([[6], [3], [0]])
BIAS = jnp.asarray(RNG.standard_normal((2, 4, 6), np.float32))


def by_hand(clip: int, keys: int, scale: float, bias: np.ndarray) -> np.ndarray:
    q, k, v = (np.asarray(x[clip], np.float64) for x in (QUERY, KEY, VALUE))
    logits = scale * np.einsum("thk,lhk->htl", q, k[:keys]) + bias[:, :, :keys]
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return np.einsum("htl,lhk->thk", weights / weights.sum(-1, keepdims=True), v[:keys])


@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("bias", [None, BIAS], ids=["plain", "biased"])
def test_the_formula_over_valid_keys(scale, bias):
    out = attention(QUERY, KEY, VALUE, MASK, bias, scale)
    added = np.zeros((2, 4, 6)) if bias is None else np.asarray(bias, np.float64)
    for clip, keys in enumerate([6, 3]):
        expected = by_hand(clip, keys, scale or 8**-0.5, added)
        np.testing.assert_allclose(out[clip], expected, atol=1e-6)


def test_a_clip_without_a_valid_key_attends_to_nothing():
    assert not np.any(attention(QUERY, KEY, VALUE, MASK)[2])


def test_what_is_masked_reaches_neither_output_nor_gradient():
    hidden = ~MASK[:, :, None, None]
    dirty = jnp.where(hidden, jnp.nan, KEY), jnp.where(hidden, jnp.inf, VALUE)

    def loss(query, key, value):
        return jnp.sum(attention(query, key, value, MASK) ** 2)

    run = jax.value_and_grad(loss, argnums=(0, 1, 2))
    clean, found = run(QUERY, KEY, VALUE), run(QUERY, *dirty)
    jax.tree.map(np.testing.assert_array_equal, found, clean)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("groups", [2, 1])
def test_head_by_head_is_the_same(monkeypatch, groups):
    """As a CPU does where there are many logits: values, and gradients."""
    arrays = QUERY, KEY[:, :, :groups], VALUE[:, :, :groups]

    def program():
        def loss(*arrays):
            return jnp.sum(attention(*arrays, MASK) ** 2)

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2))).lower(*arrays)

    together = program()
    monkeypatch.setattr(ops, "MOST_LOGITS", 0)
    apart = program()
    assert "while" in apart.as_text() and "while" not in together.as_text()
    found, expected = (jax.tree.leaves(each.compile()(*arrays)) for each in (apart, together))
    for leaf, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-5, atol=1e-6)


def heads(length: int, width: int = 64, dtype: str = "bfloat16") -> jax.Array:
    return jnp.zeros((1, length, 2, width), dtype)


@pytest.mark.parametrize("capability", [8.0, 9.0, 10.3])
def test_cudnn_is_taken_where_it_fits(capability):
    assert implementation(heads(250), heads(64), None, capability) == "cudnn"


@pytest.mark.parametrize(
    ("query", "key", "bias", "capability"),
    [
        (heads(250, dtype="float32"), heads(64, dtype="float32"), None, 9.0),
        (heads(250, dtype="float16"), heads(64, dtype="float16"), None, 9.0),
        (heads(249), heads(64), None, 9.0),
        (heads(250), heads(63), None, 9.0),
        (heads(250, 4), heads(64, 4), None, 9.0),
        (heads(250, 136), heads(64, 136), None, 9.0),
        (heads(250), heads(64), jnp.zeros((2, 250, 64)), 9.0),
        (heads(250), heads(64), None, 7.5),
        (heads(250), heads(64), None, None),
    ],
)
def test_xla_is_taken_elsewhere(query, key, bias, capability):
    assert implementation(query, key, bias, capability) is None


@pytest.mark.parametrize(
    ("platform", "version", "expected"),
    [
        ("gpu", "PJRT C API\ncuda 13000", 9.0),
        ("gpu", "PJRT C API\nrocm 60000", None),
        ("tpu", "PJRT C API", None),
    ],
)
def test_what_counts_as_nvidias(monkeypatch, platform, version, expected):
    device = types.SimpleNamespace(
        platform=platform,
        compute_capability="9.0",
        client=types.SimpleNamespace(platform_version=version),
    )
    monkeypatch.setattr(jax, "devices", lambda: [device])
    assert nvidia_capability() == expected


def test_what_is_chosen_compiles_for_nvidia(monkeypatch: pytest.MonkeyPatch):
    """Down to the call of cuDNN, forward and backward, on a machine without it."""
    monkeypatch.setattr(fused_attention_stablehlo, "check_cudnn_version", lambda: 91000)
    monkeypatch.setattr(ops, "implementation", lambda *_: "cudnn")

    def loss(query, key, value):
        return attention(query, key, value, jnp.arange(64) < jnp.array([[64], [9]])).sum()

    query, key = (jnp.zeros((2, n, 4, 64), jnp.bfloat16) for n in (250, 64))
    gradient = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))
    lowered = gradient.trace(query, key, key).lower(lowering_platforms=("cuda",))
    text = lowered.as_text()
    assert "__cudnn$fmhaScaleBiasSoftmax" in text and "SoftmaxBackward" in text
