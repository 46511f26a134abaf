import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from audiogen_jax.layers.convnext import ConvNeXtBlock, DepthwiseConv

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(2, 11, 6)), jnp.float32)


def test_depthwise_conv_is_a_grouped_convolution():
    kernel, bias = RNG.normal(size=(7, 1, 6)).astype(np.float32), np.arange(6, dtype=np.float32)
    expected = bias + lax.conv_general_dilated(
        X,
        kernel,
        window_strides=(1,),
        padding=((3, 3),),
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=6,
    )
    actual = DepthwiseConv().apply({"params": {"kernel": kernel, "bias": bias}}, X)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_clips_shorter_than_the_kernel():
    params = DepthwiseConv().init(jax.random.key(0), X)
    long = jnp.pad(X[:, :2], ((0, 0), (0, 9), (0, 0)))
    np.testing.assert_allclose(
        DepthwiseConv().apply(params, X[:, :2]),
        DepthwiseConv().apply(params, long)[:, :2],
        atol=1e-6,
    )


def test_a_block_without_its_branch_is_the_identity():
    block = ConvNeXtBlock(hidden_dim=12, gamma_init=0.0)
    params = block.init(jax.random.key(0), X, None)
    y, none = block.apply(params, X, None)
    assert none is None
    np.testing.assert_array_equal(y, X)


def test_a_block_hears_three_frames_to_each_side():
    block = ConvNeXtBlock(hidden_dim=12, gamma_init=1.0)
    params = block.init(jax.random.key(0), X, None)
    jacobian = jax.jacobian(lambda x: block.apply(params, x, None)[0][0, 5].sum())(X)
    heard = np.abs(jacobian[0]).max(-1) > 0
    np.testing.assert_array_equal(np.flatnonzero(heard), np.arange(2, 9))
