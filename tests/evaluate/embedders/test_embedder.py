"""What an embedder says of itself, and that the judge keeps to the protocol."""

import dataclasses

import numpy as np
import pytest
import soxr

from audiogen_jax.checkpoints.parameter_hash import params_sha256
from audiogen_jax.evaluate.embedders.embedder import (
    Embedder,
    Embeddings,
    check_comparable,
)
from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.training import train_judge
from tests.evaluate.embedded import IDENTITY, embedded
from tests.evaluate.melodies import RECORDINGS, SHORT


@pytest.fixture(scope="module")
def judge() -> Judge:
    return train_judge(RECORDINGS, SHORT)


def test_the_judge_is_an_embedder(judge):
    embedder: Embedder = judge
    clips = [clip.samples for clip in RECORDINGS[:3]]
    embeddings = embedder.embed(clips, 16000)
    assert embeddings.identity == embedder.identity and len(embeddings) == 3
    assert embedder.identity.weights_sha256 == params_sha256(judge.params)
    np.testing.assert_array_equal(embeddings[:2].values, embeddings.values[:2])


def test_the_judge_hears_the_same_at_another_rate(judge):
    clips = [clip.samples for clip in RECORDINGS[:3]]
    at_16 = judge.embed(clips, 16000).values
    high = [soxr.resample(clip, 16000, 44100, quality="VHQ") for clip in clips]
    scale = np.abs(at_16).max()
    np.testing.assert_allclose(judge.embed(high, 44100).values, at_16, atol=0.05 * scale)
    # Taken for 16 kHz, the same samples are another sound.
    assert np.abs(judge.embed(high, 16000).values - at_16).max() > 0.15 * scale


def test_the_hash_of_weights_sees_names_shapes_and_values():
    params = {"a": {"kernel": np.ones((2, 3), np.float32)}}
    digest = params_sha256(params)
    assert digest == params_sha256({"a": {"kernel": np.ones((2, 3), np.float32)}})
    for other in (
        {"b": params["a"]},
        {"a": {"kernel": np.ones((3, 2), np.float32)}},
        {"a": {"kernel": np.full((2, 3), 2, np.float32)}},
    ):
        assert params_sha256(other) != digest


def test_only_the_same_embedder_compares():
    values = np.zeros((2, 3))
    check_comparable(embedded(values), embedded(values + 1))
    other = Embeddings(values, dataclasses.replace(IDENTITY, weights_sha256="01"))
    with pytest.raises(ValueError, match="same embedder"):
        check_comparable(embedded(values), embedded(values), other)
