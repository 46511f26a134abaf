"""The speaker embeddings are those that the package of the weights computes in torch."""

import importlib.util

import numpy as np
import pytest

from audiogen_jax.evaluate.embedders import voice
from audiogen_jax.evaluate.recognisers.wheel_weights import NotInstalledError

here = bool(importlib.util.find_spec("resemblyzer"))


@pytest.mark.skipif(not here, reason="resemblyzer is in no extra")
def test_a_tone():
    """Six of 256 values by resemblyzer 0.1.4 with torch, of three seconds: windows are pooled."""
    time = np.arange(48000) / 16000
    tone = 0.2 * np.sin(400 * np.pi * time) * (1 + 0.5 * np.sin(6 * np.pi * time))
    values = [0.3032370, 0.2375960, 0.2279210, 0.2222660, 0.2128270, 0.1986240]
    embedder = voice.VoiceEmbedder()
    embedded = embedder.embed([tone, tone[:8000], 0.001 * tone], 16000)
    np.testing.assert_allclose(embedded.values[0, [87, 18, 10, 9, 215, 13]], values, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(embedded.values, axis=1), 1.0, atol=1e-5)
    assert embedded.values[0] @ embedded.values[2] < 1.0 and embedded.identity.sample_rate == 16000


def test_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match="pip install --no-deps resemblyzer"):
        voice.VoiceEmbedder()
