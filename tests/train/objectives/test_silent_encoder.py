"""The baseline of a decoder on mel alone: a tokenizer whose encoder is silent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.train.stages import load_objective, parse_config


def test_latents_are_the_mel_patches_alone(smoke):
    config = parse_config(smoke("tokenizer", "init.silent=True", "weights.semantic=0"))
    objective = load_objective(config)
    network, audio = objective.network, np.random.default_rng(0).normal(size=(1, 1280))
    audio = jnp.asarray(audio, jnp.float32)

    @jax.jit
    def both(key):
        params = network.init(key, audio)["params"] | {"audio_encoder": objective.encoder}
        return [network.apply({"params": params}, audio, method=m) for m in ("encode", "acoustic")]

    latents, acoustic = both(jax.random.key(0))
    np.testing.assert_array_equal(latents, acoustic)
    assert np.abs(acoustic).max() > 0


def test_nothing_is_to_be_preserved_of_silence(smoke):
    with pytest.raises(ValueError, match="weights.semantic=1.0 of an encoder that is init.silent"):
        parse_config(smoke("tokenizer", "init.silent=True"))
