"""Answers of a model whose parameters are cut over devices are those of one device."""

import jax
import numpy as np
import pytest

from audiogen_jax.infer.understand import Question, Understanding
from audiogen_jax.models.language_model import Decoding, Recording
from tests.tiny_thinker import write_checkpoint

SOUND = Recording(np.random.default_rng(0).standard_normal(8000).astype(np.float32))
ASKED = [Question("What is heard?", (SOUND,))], Decoding(max_tokens=3)


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A checkpoint, and its answer on one device."""
    checkpoint = write_checkpoint(tmp_path_factory.mktemp("thinker"))
    return checkpoint, Understanding.load(checkpoint, param_dtype="float32").answer(*ASKED)


@pytest.mark.parametrize("sharding", ["tensor", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_cut_parameters_answer_alike(answered, sharding):
    checkpoint, answer = answered
    devices = jax.devices()[:2]
    cut = Understanding.load(checkpoint, param_dtype="float32", devices=devices, sharding=sharding)
    shares = [leaf.addressable_shards[0].data.size / leaf.size for leaf in
              jax.tree.leaves(cut._params)]  # fmt: skip
    assert min(shares) == 0.5
    assert cut.answer(*ASKED) == answer
