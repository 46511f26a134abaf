"""The head of Clotho: audio and captions meet in one space (X-ARES `models/retrival.py`)."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.evaluate.linear_evaluation.examples import Examples, Mode
from audiogen_jax.evaluate.linear_evaluation.head import ADAM, dense, learning_rate
from audiogen_jax.evaluate.linear_evaluation.scores import (
    STUDENT,
    Score,
    TaskScore,
    clips_heard_in_training,
    student_interval,
)
from audiogen_jax.evaluate.linear_evaluation.splits import Fold, folds_of
from audiogen_jax.evaluate.linear_evaluation.tasks import Task
from audiogen_jax.evaluate.metrics.classification import recall_at_1
from audiogen_jax.layers.norm import LayerNorm

WIDTH = 1024
TEMPERATURE = 0.07
BERT = "google-bert/bert-base-uncased"


class Captions(NamedTuple):
    """Captions as tokens.

    Attributes:
      ids: padded at their ends.
      mask: True at tokens.
      items: which item each is of.
      vocabulary: ids are below it.
    """

    ids: Int[np.ndarray, "m l"]
    mask: Bool[np.ndarray, "m l"]
    items: Int[np.ndarray, " m"]
    vocabulary: int

    @classmethod
    def read(cls, examples: Examples, tokenizer: str | Path | None) -> "Captions":
        """Tokens of the captions of all items.

        Args:
          examples: with captions.
          tokenizer: the `tokenizer.json` of bert-base-uncased.

        Raises:
          ValueError: there is no such file.
        """
        from tokenizers import Tokenizer

        if tokenizer is None or not Path(tokenizer).is_file():
            raise ValueError(
                f"clotho reads captions by the tokenizer of {BERT}: name its tokenizer.json, got "
                f"{tokenizer}"
            )
        reader = Tokenizer.from_file(str(tokenizer))
        reader.no_padding()
        texts = [text for captions in examples.captions for text in captions]
        ids = [each.ids for each in reader.encode_batch(texts)]
        items = np.repeat(np.arange(len(examples)), [len(texts) for texts in examples.captions])
        return cls.of(ids, items, reader.get_vocab_size())

    @classmethod
    def of(
        cls, ids: Sequence[Sequence[int]], items: Int[np.ndarray, " m"], vocabulary: int
    ) -> "Captions":
        """Pads lists of ids."""
        lengths = np.array([len(each) for each in ids])
        mask = np.arange(lengths.max()) < lengths[:, None]
        padded = np.zeros(mask.shape, np.int32)
        padded[mask] = np.concatenate([np.asarray(each, np.int32) for each in ids])
        return cls(padded, mask, items, vocabulary)


class RetrievalHead(nn.Module):
    """A perceptron on the embedding of a clip and one on a bag of words.

    Attributes:
      vocabulary: ids are below it.
      width: of all layers.
    """

    vocabulary: int
    width: int = WIDTH

    @nn.compact
    def __call__(
        self, vectors: Float[Array, "b d"], ids: Int[Array, "m l"], mask: Bool[Array, "m l"]
    ) -> tuple[Float[Array, "b w"], Float[Array, "m w"], Float[Array, ""]]:
        """Embeddings of clips and of captions, and the factor of their products."""
        audio = self._perceptron("audio", LayerNorm(name="norm")(vectors))
        init = nn.initializers.normal(1.0)
        words = nn.Embed(self.vocabulary, self.width, embedding_init=init, name="words")(ids)
        words = jnp.where(mask[..., None], self._perceptron("text", words), 0)
        text = words.sum(axis=1) / mask.sum(axis=1, keepdims=True)
        start = nn.initializers.constant(-np.log(TEMPERATURE))
        return audio, text, jnp.exp(self.param("temperature", start, ()))

    def _perceptron(self, name: str, x: Float[Array, "... d"]) -> Float[Array, "... w"]:
        hidden = nn.gelu(dense(self.width, x.shape[-1], f"{name}_in")(x), approximate=False)
        return dense(self.width, self.width, f"{name}_out")(hidden)


def contrastive_loss(
    audio: Float[Array, "b d"],
    text: Float[Array, "b d"],
    factor: Float[Array, ""],
    weights: Float[Array, " b"],
) -> Float[Array, ""]:
    """Cross-entropy of pairs among all of the batch, both ways, and the published regulariser.

    Args:
      audio: embeddings.
      text: of captions of the same clips.
      factor: of products, the inverse of a temperature.
      weights: 1 for pairs, 0 for padding.
    """
    there = weights > 0
    audio, text = (jnp.where(there[:, None], each, 0) for each in (audio, text))
    products = jnp.where(there, factor * audio @ text.T, -1e30)
    across = jnp.where(there, factor * text @ audio.T, -1e30)
    losses = [-jnp.diag(jax.nn.log_softmax(each)) for each in (products, across)]
    loss = sum(jnp.sum(weights * each) for each in losses) / (2 * weights.sum())
    for each in (audio, text):
        mean = jnp.abs(each).sum() / (weights.sum() * each.shape[1])
        loss += mean / jnp.sqrt(jnp.square(each).sum())
    return loss


def retrieval_scores(
    examples: Examples,
    captions: Captions,
    fold: Fold,
    seeds: Sequence[int],
    epochs: int,
    batch: int,
    width: int = WIDTH,
) -> list[float]:
    """Mean of R@1 from audio to text and back, of the best epoch of each seed, trained together.

    Args:
      examples: the embeddings.
      captions: of them.
      fold: items that train, choose and score.
      seeds: of parameters and batches.
      epochs: over the training captions.
      batch: pairs of a step.
      width: of the head.

    Raises:
      ValueError: as `recall_at_1`.
    """
    head = RetrievalHead(captions.vocabulary, width)
    vectors, ids, mask = map(jnp.asarray, (examples.vectors, captions.ids, captions.mask))
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    params = jax.vmap(lambda key: head.init(key, vectors[:1], ids[:1], mask[:1]))(keys)
    states = jax.vmap(ADAM.init)(params)
    pairs = np.flatnonzero(np.isin(captions.items, fold.train))
    rngs = [np.random.default_rng(seed) for seed in seeds]
    best: list[tuple[float, float]] = [(-1.0, 0.0)] * len(seeds)
    train = jax.jit(jax.vmap(partial(_epoch, head.apply), in_axes=(0, 0, None, 0, None)))
    embed = jax.jit(jax.vmap(head.apply, in_axes=(0, None, None, None)))
    data = (vectors, ids, mask, jnp.asarray(captions.items))
    for epoch in range(epochs):
        order = np.stack([rng.permutation(pairs) for rng in rngs])
        padded = np.pad(order, ((0, 0), (0, -order.shape[1] % batch)), constant_values=-1)
        rate = jnp.float32(learning_rate(epoch, epochs))
        params, states = train(params, states, data, padded.reshape(len(seeds), -1, batch), rate)
        valid, test = (
            _recalls(embed, params, examples, captions, items) for items in (fold.valid, fold.test)
        )
        best = [
            (a, b) if a > before[0] else before
            for a, b, before in zip(valid, test, best, strict=True)
        ]
    return [test for _, test in best]


def measure_retrieval(
    task: Task, examples: Examples, mode: Mode, seeds: Sequence[int], tokenizer: str | Path | None
) -> TaskScore:
    """Trains the heads of all seeds of clotho and scores them.

    Args:
      task: of retrieval, its splits given.
      examples: with captions.
      mode: see `examples`.
      seeds: of parameters and batches.
      tokenizer: see `Captions.read`.

    Raises:
      ValueError: as `folds_of` and `recall_at_1`, or there is no tokenizer.
    """
    captions = Captions.read(examples, tokenizer)
    (fold,) = folds_of(task, examples, mode)
    scores = retrieval_scores(examples, captions, fold, seeds, task.epochs, task.batch)
    low, high = student_interval(np.array(scores))
    clips = len(np.unique(examples.clips[fold.test]))
    return TaskScore(
        metric=task.metric,
        score=Score(float(np.mean(scores)), low, high),
        interval=STUDENT,
        chance=1 / clips,
        majority=None,
        neighbours=None,
        scores=[[score] for score in scores],
        best_epochs=[],
        clips=clips,
        classes=0,
        clip_scores=[],
        heard_in_training=clips_heard_in_training(examples, [fold]),
    )


def _epoch(apply: Callable, params, state, data, order, rate):
    vectors, ids, mask, items = data

    def loss(params, rows):
        weights = (rows >= 0).astype(jnp.float32)
        rows = jnp.maximum(rows, 0)
        audio, text, factor = apply(params, vectors[items[rows]], ids[rows], mask[rows])
        return contrastive_loss(audio, text, factor, weights)

    def step(carry, rows):
        params, state = carry
        updates, state = ADAM.update(jax.grad(loss)(params, rows), state)
        updates = jax.tree.map(lambda change: -rate * change, updates)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, state), order)[0]


def _recalls(
    embed: Callable, params, examples: Examples, captions: Captions, items: Int[np.ndarray, " n"]
) -> list[float]:
    rows = np.flatnonzero(np.isin(captions.items, items))
    audio, text, _ = embed(params, examples.vectors[items], captions.ids[rows], captions.mask[rows])
    clip = np.searchsorted(np.sort(items), captions.items[rows])
    order = np.argsort(items)
    return [
        float(np.mean(recall_at_1(a[order], t, clip)))
        for a, t in zip(np.asarray(audio), np.asarray(text), strict=True)
    ]
