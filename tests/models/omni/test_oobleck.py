"""The Oobleck codec: clips of any length, in chunks, whatever stands past their end."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.models.omni.codec import OobleckCodec
from audiogen_jax.models.omni.config import OobleckConfig
from audiogen_jax.models.protocols import AudioCodec
from tests.parity.golden import error

CONFIG = OobleckConfig(channels=4, c_mults=(1, 2), strides=(2, 4), latent_dim=3)
CODEC = OobleckCodec(CONFIG)
FRAMES = 100


@pytest.fixture(scope="module")
def params():
    rng, shapes = np.random.default_rng(1), jax.eval_shape(CODEC.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: rng.normal(0, 0.3, leaf.shape).astype(np.float32), shapes)


@pytest.fixture(scope="module")
def audio():
    rng = np.random.default_rng(2)
    return jnp.asarray(rng.standard_normal((2, FRAMES * 8, 2)), jnp.float32)


def test_it_keeps_the_protocol(params):
    assert isinstance(CODEC, AudioCodec)
    assert set(params) == {*CODEC.encoder, *CODEC.decoder}


def test_chunks_give_what_the_whole_clip_gives(params, audio):
    chunks = dataclasses.replace(CODEC, chunk=7)
    assert FRAMES > 7 + 2 * CODEC.encoding_reach and FRAMES > 7 + 2 * CODEC.reach
    whole = dataclasses.replace(CODEC, chunk=FRAMES)
    latents = jax.jit(whole.encode)(params, audio)
    lengths = jnp.array([FRAMES * 8, FRAMES * 8])
    assert error(jax.jit(chunks.encode)(params, audio, lengths), latents) < 1e-5
    decoded = jax.jit(whole.decode)(params, latents)
    assert error(jax.jit(chunks.decode)(params, latents), decoded) < 1e-5


@pytest.mark.parametrize("chunk", [FRAMES, 7])
def test_what_stands_past_the_end_changes_nothing(params, audio, chunk):
    codec, samples = dataclasses.replace(CODEC, chunk=chunk), 41 * 8 + 5
    alone = jax.jit(CODEC.encode)(params, audio[:1, :samples])
    noise = audio.at[0, samples:].set(jnp.nan)
    latents = jax.jit(codec.encode)(params, noise, jnp.array([samples, FRAMES * 8]))
    assert error(latents[:1, :41], alone) < 1e-5
    assert not latents[0, 41:].any() and jnp.isfinite(latents).all()


def test_reach(params):
    """A frame further away than `reach` changes no sample, one within it does."""
    latents = jax.random.normal(jax.random.key(3), (1, 40, 3))
    decode = jax.jit(CODEC.decode)
    changed = (decode(params, latents) != decode(params, latents.at[0, 20].add(1.0)))[0].any(-1)
    frames = np.flatnonzero(changed.reshape(40, 8).any(-1))
    assert frames.min() >= 20 - CODEC.reach and frames.max() <= 20 + CODEC.reach
    assert len(frames) > CODEC.reach


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"strides": (2, 3)}, "even"),
        ({"strides": (2,)}, "one for every level"),
        ({"c_mults": (1, 0)}, "c_mults"),
        ({"strides": (2, True)}, "strides"),
    ],
)
def test_sizes_that_no_model_has(fields, named):
    with pytest.raises(ValueError, match=named):
        dataclasses.replace(CONFIG, **fields)
