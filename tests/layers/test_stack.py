"""The three ways a stack is used, each looped, unrolled and rematerialised."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.layers.stack import stack

DEPTH = 3
X = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
VARIANTS = [
    dict(),
    dict(unroll=True),
    dict(remat="nothing_saveable"),
    dict(remat="dots_saveable", unroll=True),
]


class Layer(nn.Module):
    """Adds its input and a shared context to the carry and emits what it computed."""

    @nn.compact
    def __call__(self, x, layer_input, context):
        y = nn.tanh(nn.Dense(x.shape[-1], name="dense")(x))
        if layer_input is not None:
            y = y + layer_input
        if context is not None:
            y = y * context
        return x + y, y


def python_loop(params, x, inputs, context):
    outputs = []
    for i in range(DEPTH):
        layer = jax.tree.map(lambda leaf, i=i: leaf[i], params)
        layer_input = None if inputs is None else inputs[i]
        x, y = Layer().apply({"params": layer}, x, layer_input, context)
        outputs.append(y)
    return x, jnp.stack(outputs)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("with_inputs", [False, True])
@pytest.mark.parametrize("with_context", [False, True])
def test_a_stack_is_a_loop_over_its_layers(variant, with_inputs, with_context):
    inputs = np.stack([X * (i + 1) for i in range(DEPTH)]) if with_inputs else None
    context = np.float32(0.5) * X if with_context else None
    looped = stack(Layer, DEPTH, broadcast=1)()
    params = looped.init(jax.random.key(0), X, inputs, context)["params"]
    assert params["dense"]["kernel"].shape == (DEPTH, 4, 4)

    def loss(run):
        def value(params):
            x, outputs = run(params)
            return jnp.sum(jnp.square(x)) + jnp.sum(outputs)

        return jax.jit(jax.value_and_grad(value))(params)

    module = stack(Layer, DEPTH, broadcast=1, **variant)()
    actual = loss(lambda p: module.apply({"params": p}, X, inputs, context))
    expected = loss(lambda p: python_loop(p, X, inputs, context))
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_every_layer_starts_with_its_own_parameters():
    params = stack(Layer, DEPTH, broadcast=1)().init(jax.random.key(0), X, None, None)["params"]
    kernel = params["dense"]["kernel"]
    assert not np.array_equal(kernel[0], kernel[1])


def test_remat_recomputes_instead_of_keeping():
    def saved(remat):
        module = stack(Layer, DEPTH, broadcast=1, remat=remat)()
        params = module.init(jax.random.key(0), X, None, None)
        _, backward = jax.vjp(lambda p: module.apply(p, X, None, None)[0], params)
        return sum(leaf.size for leaf in jax.tree.leaves(backward))

    assert saved("nothing_saveable") < saved(None)


def test_an_unknown_policy_is_named():
    with pytest.raises(ValueError, match="remat='all' is not a policy"):
        stack(Layer, DEPTH, remat="all")
