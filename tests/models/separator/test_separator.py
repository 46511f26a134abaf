"""Masks of named sounds: what they depend on and what they do not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from audiogen_jax.models.separator.config import SeparatorConfig
from audiogen_jax.models.separator.network import Separator
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.types import Tokens

SIZES = SeparatorConfig(
    n_fft=256, hop=128, latent_dim=4, text_dim=8, width=16, depth=2, num_heads=2, hidden=32
)
TEXT = T5Config(vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
LOW, HIGH = 1, 5
"""The text of a query: a token each."""


@pytest.fixture(scope="module")
def separator() -> Separator:
    return Separator(SIZES, TEXT)


@pytest.fixture(scope="module")
def params(separator):
    rng = np.random.default_rng(0)
    shapes = {"separator": jax.eval_shape(separator.init, jax.random.key(0))}
    ids, mask = np.zeros((1, 2), np.int32), np.ones((1, 2), bool)
    text = jax.eval_shape(T5Encoder(TEXT).init, jax.random.key(0), ids, mask)
    shapes["text_encoder"] = text["params"]
    return jax.tree.map(lambda leaf: rng.normal(0, 0.2, leaf.shape).astype(np.float32), shapes)


@pytest.fixture(scope="module")
def masks(separator):
    @jax.jit
    def masks(params, audio, lengths, latents, query):
        spectra, mask = separator.spectra(audio, lengths)
        return separator.masks(params, spectra, mask, latents, query)

    return masks


def queries(*ids: int) -> Tokens:
    rows = np.array([[id, 0] for id in ids], np.int32)
    return Tokens(rows, np.array([[True, False]] * len(ids)))


def recordings(count: int = 2, samples: int = 4000):
    rng = np.random.default_rng(1)
    audio = rng.normal(0, 0.1, (count, samples)).astype(np.float32)
    latents = rng.normal(size=(count, samples // 640, 4)).astype(np.float32)
    return audio, np.full(count, samples), latents


def test_masks_are_shares_and_depend_on_text_latents_and_spectra(masks, params):
    audio, lengths, latents = recordings()
    first = masks(params, audio, lengths, latents, queries(LOW, LOW))
    assert first.shape == (2, 4000 // 128 + 1, 129)
    assert 0 <= first.min() and first.max() <= 1
    for other in (
        (audio, lengths, latents, queries(HIGH, HIGH)),
        (audio, lengths, latents[::-1], queries(LOW, LOW)),
        (audio[::-1], lengths, latents, queries(LOW, LOW)),
    ):
        assert np.abs(masks(params, *other) - first).max() > 1e-3


def test_level_and_padding_change_nothing(masks, params):
    audio, lengths, latents = recordings()
    query = queries(LOW, HIGH)
    whole = masks(params, audio, lengths, latents, query)
    np.testing.assert_allclose(masks(params, 7 * audio, lengths, latents, query), whole, atol=1e-4)
    lengths[1] = 2400
    short = masks(params, audio, lengths, latents, query)
    audio[1, 2400:] = np.nan
    latents[1, 4:] = 9.0
    padded = np.asarray(masks(params, np.nan_to_num(audio, nan=3.0), lengths, latents, query))
    np.testing.assert_allclose(padded[0], short[0], atol=1e-5)
    np.testing.assert_allclose(padded[1, :18], short[1, :18], atol=1e-5)


def test_silence_and_padded_tokens(masks, params):
    audio, lengths, latents = recordings()
    assert np.isfinite(masks(params, 0 * audio, lengths, latents, queries(LOW, HIGH))).all()
    ids = np.array([[LOW, 0], [LOW, 7]], np.int32)
    same = Tokens(ids, np.array([[True, False]] * 2))
    both = masks(params, audio[[0, 0]], lengths, latents[[0, 0]], same)
    np.testing.assert_allclose(both[0], both[1], atol=1e-6)


def test_it_learns_what_the_text_names(separator, params):
    """Two tones in noise, one of which is named: 10 dB within a hundred steps."""
    rng = np.random.default_rng(0)
    time = np.arange(1600) / 16000
    low, high = (np.sin(2 * np.pi * hertz * time) for hertz in (500, 3000))
    named = jnp.float32(np.stack([low, high]))
    audio = jnp.float32(named[0] + named[1] + 0.1 * rng.normal(size=(2, 1600)))
    lengths, latents = jnp.array([1600, 1600]), jnp.zeros((2, 2, 4))
    optimizer = optax.adam(3e-3)

    def loss(network):
        spectra, mask = separator.spectra(audio, lengths)
        truth, _ = separator.spectra(named, lengths)
        whole = {**params, "separator": network}
        masks = separator.masks(whole, spectra, mask, latents, queries(LOW, HIGH))
        return (abs(masks * spectra - truth) ** 2).sum() / (abs(truth) ** 2).sum()

    @jax.jit
    def step(network, state):
        value, gradients = jax.value_and_grad(loss)(network)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(network, updates), state, value

    network, state, value = params["separator"], optimizer.init(params["separator"]), 1.0
    for _ in range(100):
        network, state, value = step(network, state)
    assert value < 0.1


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (dict(width=10, num_heads=4), "width=10 must be an even multiple of num_heads=4"),
        (dict(n_fft=255), "n_fft=255, hop=320"),
        (dict(n_fft=512, hop=320), "spectra of even size that overlap"),
        (dict(depth=0), "depth=0"),
    ],
)
def test_sizes_that_are_none(sizes, message):
    with pytest.raises(ValueError, match=message):
        SeparatorConfig(**sizes)
