"""Embeddings of music are those that the package of the weights computes in tensorflow."""

import importlib.util

import numpy as np
import pytest

from audiogen_jax.evaluate.embedders.musicnn import MusicnnEmbedder, patches
from audiogen_jax.evaluate.embedders.registry import embedder
from audiogen_jax.evaluate.recognisers.wheel_weights import NotInstalledError

here = bool(importlib.util.find_spec("musicnn"))
TIME = np.arange(80000) / 16000
BEATS = 0.02 * np.sin(440 * np.pi * TIME) * (1 + np.sin(6 * np.pi * TIME))
BEATS = (BEATS + 0.001 * np.random.RandomState(0).standard_normal(80000)).astype(np.float32)


@pytest.mark.skipif(not here, reason="musicnn is in no extra")
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("musicnn", {40: 2.6243660, 56: 2.5591259, 93: 2.0775468, 18: 1.8914095}),
        ("musicnn-msd", {116: 3.7447867, 39: 3.2487912, 157: 3.2449119, 46: 2.8642366}),
    ],
)
def test_a_beating_tone(name, values):
    """Four of 200 values by musicnn 0.1.0 with tensorflow 2.15, of the patch that stands whole."""
    embeds = embedder(name)
    rows = embeds.embed([BEATS, BEATS[:9000]], 16000).values
    np.testing.assert_allclose(rows[0, list(values)], list(values.values()), atol=2e-5)
    assert embeds.identity.name == f"musicnn {'MSD' if 'msd' in name else 'MTT'}"


def test_short_clips_are_repeated():
    assert patches(BEATS).shape == (1, 187, 96)
    short = patches(BEATS[:12800])
    assert short.shape == (1, 187, 96)
    np.testing.assert_array_equal(short[0, 51:102], short[0, :51])


def test_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match="pip install --no-deps musicnn"):
        embedder("musicnn")
    with pytest.raises(ValueError, match="musicnn of 'FMA': expected MTT, MSD"):
        MusicnnEmbedder("FMA")
