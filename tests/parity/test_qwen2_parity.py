"""Qwen2 and an adapter in front of it against tensors made with transformers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.checkpoints.qwen2 import load_qwen2
from audiogen_jax.evaluate.linear_evaluation import adapter
from audiogen_jax.evaluate.linear_evaluation.adapter import Recogniser
from audiogen_jax.evaluate.linear_evaluation.transcripts import END, SEPARATOR, Spoken
from audiogen_jax.models.language_model import Decoding
from audiogen_jax.models.omni.thinker.generation import generate
from tests.parity.golden import FOLDER, error, golden

IO = golden("qwen2_tiny")
TOLERANCE = 1e-5


@functools.cache
def loaded():
    return load_qwen2(FOLDER / "qwen2_tiny", jax.device_put)


def spoken() -> Spoken:
    frames, *others = (IO[f"asr.{name}"] for name in Spoken._fields)
    return Spoken(jnp.asarray(frames), *(jnp.asarray(each, jnp.int32) for each in others))


def layers(prefix: str) -> dict:
    """Parameters of the adapter, or their gradients."""
    return {
        name: {"kernel": IO[f"{prefix}{name}.weight"].T, "bias": IO[f"{prefix}{name}.bias"]}
        for name in ("fc1", "fc2", "proj")
    }


def test_logits_and_greedy_tokens():
    decoder, params = loaded().decoder, loaded().params
    ids = jnp.asarray(IO["text.ids"], jnp.int32)
    mask = jnp.ones(ids.shape, bool)
    positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), (3, *ids.shape))
    keys = jax.random.split(jax.random.key(0), len(ids))
    few = Decoding(IO["text.greedy"].shape[1])

    @jax.jit
    def run(params):
        x = decoder.embed(params, ids)
        logits = decoder.logits(params, decoder.read(params, x, positions, mask)[0])
        return logits, generate(decoder, params, x, positions, mask, keys, few, ())

    logits, (said, there) = run(params)
    assert error(logits, IO["text.logits"]) < TOLERANCE
    assert there.all()
    np.testing.assert_array_equal(said, IO["text.greedy"])


def test_loss_and_gradients_in_paper_mode():
    model = Recogniser(loaded().decoder, "paper")
    loss, gradient = jax.jit(jax.value_and_grad(model.loss))(
        layers("asr."), loaded().params, spoken()
    )
    assert float(loss) == pytest.approx(IO["asr.loss"].item(), rel=TOLERANCE)
    jax.tree.map(lambda a, b: np.testing.assert_array_less(error(a, b), TOLERANCE),
                 gradient, layers("asr.grad."))  # fmt: skip
    strict = Recogniser(loaded().decoder, "strict")
    alone = jax.jit(strict.loss)(layers("asr."), loaded().params, spoken())
    assert abs(float(alone) - float(loss)) > 1e-3  # the second clip has padding


def test_the_likeliest_token_behind_each_of_a_transcript():
    model = Recogniser(loaded().decoder, "paper")
    made = jax.jit(model.predictions)(layers("asr."), loaded().params, spoken())
    for row, expected, count in zip(made, IO["asr.predicted"], IO["asr.counts"], strict=True):
        np.testing.assert_array_equal(row[: count - 1], expected[: count - 1])


@pytest.mark.parametrize(("name", "penalty"), [("answer", 1.0), ("penalised", 1.1)])
def test_answers_to_clips_of_two_lengths(name, penalty, monkeypatch):
    expected = IO[f"asr.{name}"]
    assert adapter.DECODING == Decoding(200, repetition_penalty=1.1)
    monkeypatch.setattr(
        adapter, "DECODING", Decoding(expected.shape[1], repetition_penalty=penalty)
    )
    separator, end = (loaded().reader.special(token) for token in (SEPARATOR, END))
    model, batch = Recogniser(loaded().decoder, "strict"), spoken()
    made, there = jax.jit(
        lambda own, params: model.answers(own, params, *batch[:2], separator, end)
    )(layers("asr."), loaded().params)
    np.testing.assert_array_equal(np.where(there, made, end), expected)
