"""Answers of a model whose parameters are cut over devices are those of one device."""

import jax
import numpy as np
import pytest

from audiogen_jax.infer.understand import Question, Understanding
from audiogen_jax.models.language_model import Decoding, Recording
from tests.tiny_thinker import write_checkpoint


@pytest.mark.parametrize("sharding", ["tensor", "fsdp"])
def test_cut_parameters_answer_alike(tmp_path, sharding):
    checkpoint = write_checkpoint(tmp_path)
    sound = Recording(np.random.default_rng(0).standard_normal(8000).astype(np.float32))
    questions, few = [Question("What is heard?", (sound,))], Decoding(max_tokens=3)
    whole = Understanding.load(checkpoint, param_dtype="float32")
    devices = jax.devices()[:2]
    cut = Understanding.load(checkpoint, param_dtype="float32", devices=devices, sharding=sharding)
    shares = [leaf.addressable_shards[0].data.size / leaf.size for leaf in
              jax.tree.leaves(cut._params)]  # fmt: skip
    assert min(shares) == 0.5
    assert cut.answer(questions, few) == whole.answer(questions, few)
