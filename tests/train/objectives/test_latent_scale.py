"""Folding the scale of the latents changes them and not the audio."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer
from audiogen_jax.train.batches import AudioBatch
from audiogen_jax.train.objectives.latent_scale import fold_latent_scale, measure_latents


@pytest.fixture(scope="module")
def case(tiny_checkpoint):
    config, params = load_tokenizer(CheckpointFolder(tiny_checkpoint / "tokenizer"))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape).astype("f4"), params)
    audio = rng.normal(0, 0.1, (4, 8000)).astype(np.float32)
    lengths = np.array([8000, 8000, 5000, 700], np.int32)
    batch = AudioBatch(audio[..., None], lengths, np.zeros(4, bool), None)
    return DashengTokenizer(config), params, batch


def test_exact(case):
    model, params, batch = case
    std = np.random.default_rng(1).uniform(0.1, 10, model.config.embed_dim).astype(np.float32)
    folded = fold_latent_scale(params, std)

    @jax.jit
    def run(params):
        audio = jnp.asarray(batch.audio[..., 0])
        latents = model.apply({"params": params}, audio, method="encode")
        return latents, model.apply({"params": params}, latents, method="decode")

    (before, audio), (after, same_audio) = run(params), run(folded)
    np.testing.assert_allclose(after * std, before, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(same_audio, audio, rtol=1e-4, atol=1e-5)


def test_measured_moments(case):
    model, params, batch = case
    batches = [jax.tree.map(lambda x: x[:2], batch), jax.tree.map(lambda x: x[2:], batch)]
    audio, lengths = jnp.asarray(batch.audio[..., 0]), jnp.asarray(batch.lengths)
    encode = jax.jit(functools.partial(model.apply, method="encode"))
    latents = np.asarray(encode({"params": params}, audio, lengths))
    frames = (batch.lengths // 160 + 1) // 4
    valid = np.concatenate([row[:count] for row, count in zip(latents, frames, strict=True)])
    moments = measure_latents(model, params, batches)
    np.testing.assert_allclose(moments.mean, valid.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moments.std, valid.std(0), rtol=1e-4, atol=1e-5)
    unit = measure_latents(model, fold_latent_scale(params, moments.std), batches)
    np.testing.assert_allclose(unit.std, 1, rtol=1e-4)


def test_constant_channel(case):
    model, params, _ = case
    std = np.ones(model.config.embed_dim, np.float32)
    std[3] = 0
    with pytest.raises(ValueError, match=r"channels \[3\]"):
        fold_latent_scale(params, std)


def test_no_batches(case):
    model, params, _ = case
    with pytest.raises(ValueError, match="at least one batch"):
        measure_latents(model, params, [])
