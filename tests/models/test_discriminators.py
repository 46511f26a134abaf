"""The multi-frequency discriminator."""

import jax
import jax.numpy as jnp
import numpy as np

from audiogen_jax.models.discriminators import MultiFrequencyDiscriminator


def test_shapes_and_reach():
    model = MultiFrequencyDiscriminator(n_ffts=(256, 128), channels=4)
    audio = jnp.asarray(np.random.default_rng(0).normal(0, 0.1, (2, 2048)), jnp.float32)
    params = jax.jit(model.init)(jax.random.key(0), audio)["params"]
    (large, small), features = model.apply({"params": params}, audio)
    assert large.shape == (2, 2048 // 64 + 1, 256 // 2 // 8 // 4)
    assert small.shape == (2, 2048 // 32 + 1, 128 // 2 // 8 // 4)
    assert len(features) == 2 * 3
    # Every scale hears every sample, and phase counts: a shifted clip is judged otherwise.
    gradient = jax.jit(
        jax.grad(lambda x: sum(y.sum() for y in model.apply({"params": params}, x)[0]))
    )(audio)
    assert np.isfinite(gradient).all() and (np.abs(gradient).max(0) > 0).all()
