"""Audio and captions in one space."""

import numpy as np
import pytest

from audiogen_jax.evaluate.linear_evaluation.examples import Examples
from audiogen_jax.evaluate.linear_evaluation.retrieval import (
    Captions,
    contrastive_loss,
    retrieval_scores,
)
from audiogen_jax.evaluate.linear_evaluation.splits import Fold

KINDS = 6


def test_kinds_are_learned():
    rng = np.random.default_rng(0)
    kinds = np.tile(np.arange(KINDS), 9)  # six times in training, once to choose, twice to score
    vectors = (3 * np.eye(KINDS, 8)[kinds] + 0.1 * rng.normal(size=(54, 8))).astype("float32")
    ids = [[2 + kind, 1][: 1 + number % 2] for number, kind in enumerate(kinds)]
    captions = Captions.of(ids, np.arange(54), 2 + KINDS)
    texts = tuple(("",) for _ in kinds)
    data = Examples(vectors, np.ones(54, int), np.zeros((54, 0), np.int8), (), np.zeros(54, int),
                    np.arange(54), texts)  # fmt: skip
    fold = Fold(np.arange(36), np.arange(36, 42), np.arange(42, 48))
    both = retrieval_scores(data, captions, fold, (0, 1), epochs=12, batch=18, width=32)
    assert min(both) > 0.7  # chance is 1 / 6


def test_the_loss_is_that_of_the_pairs_alone():
    rng = np.random.default_rng(0)
    audio, text = rng.normal(size=(2, 4, 5)).astype(np.float32)
    there = np.ones(4, np.float32)
    alone = float(contrastive_loss(audio, text, np.float32(2), there))
    products = 2 * audio.astype(np.float64) @ text.T
    logs = [np.diag(each) - np.log(np.exp(each).sum(axis=1)) for each in (products, products.T)]
    expected = -np.mean(logs)
    expected += sum(np.abs(x).mean() / np.sqrt((x**2).sum()) for x in (audio, text))
    assert alone == pytest.approx(expected, rel=1e-5)
    padded = [np.concatenate([each, np.full((2, 5), np.nan, np.float32)]) for each in (audio, text)]
    weights = np.concatenate([there, [0, 0]]).astype(np.float32)
    assert float(contrastive_loss(*padded, np.float32(2), weights)) == pytest.approx(alone)


def test_captions_need_the_tokenizer_that_the_benchmark_reads_them_by(tmp_path):
    data = Examples(np.zeros((1, 2), np.float32), np.ones(1, int), np.zeros((1, 0), np.int8), (),
                    np.zeros(1, int), np.zeros(1, int), (("a dog",),))  # fmt: skip
    for path in (None, tmp_path / "tokenizer.json"):
        with pytest.raises(ValueError, match="google-bert/bert-base-uncased: name its tokenizer"):
            Captions.read(data, path)
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"a": 0, "dog": 1, "[UNK]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    captions = Captions.read(data, tmp_path / "tokenizer.json")
    assert captions.ids.tolist() == [[0, 1]] and captions.vocabulary == 3
