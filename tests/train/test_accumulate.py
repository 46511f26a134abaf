"""A batch that goes through in parts gives the losses and gradients of the whole."""

import jax
import jax.numpy as jnp
import numpy as np

from audiogen_jax.train.batches import AudioBatch
from audiogen_jax.train.objectives.tokenizer_losses import feature_sizes
from audiogen_jax.train.stages import load_objective, parse_config


def batch_of(audio: np.ndarray) -> AudioBatch:
    clips, samples, _ = audio.shape
    return AudioBatch(audio, np.full(clips, samples, np.int32), np.zeros(clips, bool), None)


def test_of_both_players_of_a_gan(smoke):
    """Feature matching is a ratio: of sums over the batch, not a mean of ratios of parts."""
    objective = load_objective(
        parse_config(smoke("tokenizer", "accumulate=4", "gan.n_ffts=(256, 128)"))
    )
    state = objective.prepare(jax.jit(objective.init_state)(jax.random.key(0)))
    loud = np.array([0.001, 0.01, 0.1, 0.9], np.float32)[:, None, None]
    audio = np.random.default_rng(0).standard_normal((4, 3200, 1)).astype(np.float32) * loud
    batch = batch_of(audio)
    players = {"tokenizer": state.params, "discriminator": state.discriminator.params}
    loss = jax.jit(objective._adversarial_loss)
    whole = loss(None, players, batch, jax.random.key(0))[1]
    sizes = jax.jit(objective._feature_sizes)(*players.values(), batch)
    rows = [
        loss(sizes, players, batch_of(audio[i : i + 1]), jax.random.key(0))[1] for i in range(4)
    ]
    assert whole.keys() >= {"feature_matching", "adversarial", "discriminator", "loss"}
    for name, value in whole.items():
        parts = np.mean([row[name] for row in rows], axis=0)
        np.testing.assert_allclose(parts, value, rtol=1e-5, atol=1e-6, err_msg=name)
    first = jnp.asarray(audio[:1, :, 0])
    relative = feature_sizes(objective._judge(players["discriminator"], first)[1])
    assert not np.allclose(relative, sizes, rtol=0.5)  # a mean of ratios would be another
