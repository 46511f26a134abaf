import jax
import jax.numpy as jnp
import numpy as np

from audiogen_jax.models.dasheng.vocos import MAX_MAGNITUDE, ISTFTHead

HEAD = ISTFTHead(n_fft=64, hop=16)
X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 4)), jnp.float32)


def head_params(log_magnitude):
    params = HEAD.init(jax.random.key(0), X)["params"]["out"]
    bias = params["bias"].at[:33].set(log_magnitude)
    return {"params": {"out": {**params, "bias": bias}}}


def test_hop_samples_per_frame():
    assert HEAD.apply(head_params(0.0), X).shape == (2, 5 * 16)


def test_magnitudes_are_clipped_at_one_hundred():
    at_the_clip = HEAD.apply(head_params(np.log(MAX_MAGNITUDE) + 10), X)
    far_beyond = HEAD.apply(head_params(80.0), X)
    np.testing.assert_array_equal(at_the_clip, far_beyond)
    assert not np.allclose(at_the_clip, HEAD.apply(head_params(0.0), X))


def test_an_exponent_that_overflows_has_a_finite_gradient():
    params = head_params(200.0)
    gradient = jax.grad(lambda x: jnp.sum(jnp.square(HEAD.apply(params, x))))(X)
    assert np.isfinite(gradient).all() and np.any(gradient)


def test_the_waveform_is_float32_whatever_the_backbone_computes_in():
    assert HEAD.apply(head_params(0.0), X.astype(jnp.bfloat16)).dtype == jnp.float32
