import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.masked_autoencoder import MaskedAutoencoder
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer

CONFIG = TokenizerConfig(embed_dim=16, depth=1, num_heads=2, decoder_embed_dim=16, decoder_depth=1)
MODEL = MaskedAutoencoder(CONFIG, decoder_depth=1)
AUDIO = jnp.asarray(np.random.default_rng(0).normal(0, 0.1, (4, 16000)), jnp.float32)


def test_its_encoder_is_the_tokenizers():
    key = jax.random.key(0)
    ours = jax.eval_shape(MODEL.init, key, AUDIO, key)["params"]["audio_encoder"]
    theirs = jax.eval_shape(DashengTokenizer(CONFIG).init, key, AUDIO)["params"]["audio_encoder"]
    assert jax.tree.map(lambda leaf: leaf.shape, ours) == jax.tree.map(lambda x: x.shape, theirs)


def test_a_structured_signal_is_learned_better_than_predicting_the_mean():
    time = np.arange(16000) / 16000
    tones = jnp.asarray(np.sin(2 * np.pi * np.outer([200, 400, 800, 1600], time)), jnp.float32)
    params = jax.jit(MODEL.init)(jax.random.key(0), tones, jax.random.key(0))["params"]
    optimizer = optax.adam(3e-3)

    @jax.jit
    def step(params, state, key):
        loss, gradients = jax.value_and_grad(lambda p: MODEL.apply({"params": p}, tones, key))(
            params
        )
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, loss

    state, losses = optimizer.init(params), []
    for i in range(60):
        params, state, loss = step(params, state, jax.random.key(i))
        losses.append(float(loss))
    assert losses[-1] < 0.5 < losses[0]


def test_the_mask_follows_the_key():
    params = jax.jit(MODEL.init)(jax.random.key(0), AUDIO, jax.random.key(0))
    loss = jax.jit(MODEL.apply)
    first, again, other = (loss(params, AUDIO, jax.random.key(i)) for i in (1, 1, 2))
    assert first == again != other


def test_more_than_one_chunk_is_refused():
    with pytest.raises(ValueError, match="too long to mask: at most 252"):
        MODEL.init(jax.random.key(0), jnp.zeros((1, 170_000)), jax.random.key(0))
