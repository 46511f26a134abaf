import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer, latent_length

CONFIG = TokenizerConfig(
    embed_dim=16,
    depth=2,
    num_heads=2,
    n_mels_patch=32,
    decoder_embed_dim=16,
    decoder_depth=2,
    decoder_intermediate_size=32,
)


@functools.cache
def variables():
    return jax.jit(DashengTokenizer(CONFIG).init)(jax.random.key(0), jnp.zeros((1, 16000)))


def noise(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(0, 0.1, shape), jnp.float32)


@functools.partial(jax.jit, static_argnames=["method", "remat"])
def apply(variables, method, *arrays, remat=None):
    return DashengTokenizer(CONFIG, remat=remat).apply(variables, *arrays, method=method)


def run(method, *arrays, **kwargs):
    return apply(variables(), method, *arrays, **kwargs)


def encode(audio, lengths=None, **kwargs):
    return run("encode", audio, lengths, **kwargs)


@pytest.mark.parametrize("samples", [513, 640, 7777, 170_001])
def test_a_clip_is_the_same_alone_and_in_a_batch_padded_with_nan(samples):
    size = 200_000  # two chunks of the encoder
    audio = np.full((2, size), np.nan, np.float32)
    audio[0, :samples], audio[1] = noise(samples), 3 * noise(size)
    together = encode(audio, jnp.array([samples, size]))
    alone = encode(audio[:1, :samples])
    frames = latent_length(samples)
    assert alone.shape[1] == frames
    np.testing.assert_allclose(together[0, :frames], alone[0], atol=2e-5)
    assert not together[0, frames:].any()
    np.testing.assert_allclose(together[1], encode(audio[1:])[0], atol=2e-5)


def test_the_first_chunk_does_not_hear_the_second():
    audio = noise(1, 300_000)
    changed = audio.at[:, 163_000:].set(0.3)
    # 1008 mel frames; the last token's windows reach a little further.
    before, after = run("semantic", audio), run("semantic", changed)
    np.testing.assert_array_equal(before[:, :250], after[:, :250])
    assert np.abs(before[:, 254:] - after[:, 254:]).max() > 0.01


@functools.partial(jax.jit, static_argnums=1)
@functools.partial(jax.value_and_grad)
def gradient(params, model):
    return jnp.sum(jnp.square(model.apply({"params": params}, noise(1, 4000))))


UNROLLED = pytest.param(dict(unroll=True), marks=pytest.mark.slow)  # see test_stack and test_dit


@pytest.mark.parametrize("variant", [UNROLLED, dict(remat="nothing_saveable")])
def test_scan_unrolled_and_remat_agree(variant):
    params = variables()["params"]
    expected = gradient(params, DashengTokenizer(CONFIG))
    actual = gradient(params, DashengTokenizer(CONFIG, **variant))
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * max(1e-3, np.abs(b).max()))


def test_decoding_gives_640_samples_per_latent():
    wav = run("decode", noise(2, 7, 16))
    assert wav.shape == (2, 7 * 640)


def test_what_cannot_be_encoded_is_one_clear_line():
    with pytest.raises(ValueError, match="512 samples is too short to encode: at least 513"):
        encode(noise(1, 512))
    with pytest.raises(ValueError, match="remat='everything' is not a policy"):
        encode(noise(1, 4000), remat="everything")


def test_silence_has_finite_gradients():
    def loss(audio):
        return jnp.sum(encode(audio))

    assert np.isfinite(jax.jit(jax.grad(loss))(jnp.zeros((1, 2000)))).all()
