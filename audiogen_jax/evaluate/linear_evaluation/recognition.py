"""Word error rates of librispeech_asr: adapters are trained, choose their epoch and are scored."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Int
from rich.console import Console
from rich.progress import Progress

from audiogen_jax.checkpoints.qwen2 import LoadedQwen2
from audiogen_jax.evaluate.linear_evaluation.adapter import Recogniser
from audiogen_jax.evaluate.linear_evaluation.examples import Examples, Mode
from audiogen_jax.evaluate.linear_evaluation.head import ADAM, learning_rate
from audiogen_jax.evaluate.linear_evaluation.scores import (
    Score,
    TaskScore,
    clips_heard_in_training,
)
from audiogen_jax.evaluate.linear_evaluation.splits import folds_of
from audiogen_jax.evaluate.linear_evaluation.tasks import Task
from audiogen_jax.evaluate.linear_evaluation.transcripts import Spoken, Transcripts
from audiogen_jax.evaluate.metrics.bootstrap import bootstrap
from audiogen_jax.evaluate.metrics.word_errors import Errors, edits
from audiogen_jax.types import Params

_TOGETHER = 16
"""Clips that are answered at a time."""


def measure_transcripts(
    task: Task, examples: Examples, mode: Mode, seeds: Sequence[int], language: LoadedQwen2
) -> TaskScore:
    """Trains an adapter of each seed and scores what the language model writes behind it.

    A score is 1 - WER of all test clips, at least 0, of texts in small letters as they are.

    Args:
      task: of transcripts, its splits given.
      examples: with transcripts, their frames stored.
      mode: see `adapter`.
      seeds: of parameters and batches.
      language: the language model, its parameters on the device.

    Raises:
      ValueError: as `folds_of` and `Transcripts`, or an adapter diverged.
    """
    transcripts = Transcripts(examples, language.reader)
    (fold,) = folds_of(task, examples, mode)
    training = _Training(task, transcripts, mode, language)
    trained = [training.run(seed, fold.train, fold.valid) for seed in seeds]
    errors = [training.write(each.adapter, fold.test) for each in trained]
    wrong = np.array([[each.total for each in seed] for seed in errors], np.float64)
    words = np.array([each.units for each in errors[0]], np.float64)

    def scores(rows: Int[np.ndarray, "draws n"]) -> Float[np.ndarray, "s draws"]:
        rates = wrong[:, rows].sum(axis=-1) / words[rows].sum(axis=-1)
        return np.maximum(0.0, 1 - rates)

    value, low, high = bootstrap(
        lambda rows: scores(rows).mean(axis=0), len(words), vectorized=True
    )
    alone = len(words) == 1
    return TaskScore(
        metric=task.metric,
        score=Score(value, None if alone else low, None if alone else high),
        interval="bootstrap over the clips, seeds averaged",
        chance=None,
        majority=None,
        neighbours=None,
        scores=scores(np.arange(len(words))[None]).tolist(),
        best_epochs=[[each.epoch] for each in trained],
        clips=len(np.unique(examples.clips[fold.test])),
        classes=0,
        clip_scores=[],
        heard_in_training=clips_heard_in_training(examples, [fold]),
    )


class _Trained(NamedTuple):
    """An adapter as it was after its best epoch, from 0."""

    adapter: Params
    epoch: int


class _Programs(NamedTuple):
    """Compiled functions of the parameters of an adapter and of a language model, and of clips.

    Attributes:
      step: see `_step`.
      predict: see `Recogniser.predictions`.
      answer: see `Recogniser.answers`.
    """

    step: Callable
    predict: Callable
    answer: Callable


@functools.lru_cache(maxsize=4)
def _programs(model: Recogniser, separator: int, end: int) -> _Programs:
    """Programs that seeds and layers of an encoder share.

    Args:
      model: the functions.
      separator: see `Recogniser.answers`.
      end: see there.
    """
    answer = functools.partial(model.answers, separator=separator, end=end)
    step = functools.partial(_step, model)
    return _Programs(jax.jit(step), jax.jit(model.predictions), jax.jit(answer))


class _Training:
    """Programs and data that the adapters of all seeds share."""

    def __init__(self, task: Task, transcripts: Transcripts, mode: Mode, language: LoadedQwen2):
        self._task, self._transcripts, self._mode = task, transcripts, mode
        self._language, self._model = language, Recogniser(language.decoder, mode)
        self._programs = _programs(self._model, transcripts.separator, transcripts.end)

    def run(
        self, seed: int, train: Int[np.ndarray, " n"], valid: Int[np.ndarray, " m"]
    ) -> _Trained:
        """Trains an adapter; its epoch is the first of those with the best score of validation."""
        task, rng = self._task, np.random.default_rng(seed)
        first = self._transcripts.batch(train[:1], task.batch)
        adapter = self._model.adapter.init(jax.random.key(seed), first.frames)["params"]
        state, best, best_score = ADAM.init(adapter), _Trained(adapter, 0), -1.0
        steps = -(-len(train) // task.batch)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task(f"{task.name}, seed {seed}", total=task.epochs * steps)
            for epoch in range(task.epochs):
                rate, loss = np.float32(learning_rate(epoch, task.epochs)), np.float32(np.nan)
                for _, batch in self._transcripts.in_order(rng.permutation(train), task.batch):
                    adapter, state, loss = self._programs.step(
                        adapter, state, self._language.params, batch, rate
                    )
                    progress.advance(bar)
                if not np.isfinite(loss):
                    raise ValueError(f"{task.name}, seed {seed}: the adapter diverged")
                chooses = self._guess if self._mode == "paper" else self.write
                errors = chooses(adapter, valid)
                score = 1 - sum(each.total for each in errors) / sum(each.units for each in errors)
                score = max(score, 0.0)
                if score > best_score:
                    best, best_score = _Trained(adapter, epoch), score
        return best

    def write(self, adapter: Params, items: Int[np.ndarray, " n"]) -> list[Errors]:
        """Errors in what the language model writes of each clip."""
        params, heard = self._language.params, {}
        for some, batch in self._transcripts.alike(items, _TOGETHER):
            answered = self._programs.answer(adapter, params, batch.frames, batch.lengths)
            for item, ids, valid in zip(some, *jax.device_get(answered), strict=False):
                heard[item] = self._language.reader.decode(ids[valid].tolist())
        return self._errors(items, heard)

    def _guess(self, adapter: Params, items: Int[np.ndarray, " n"]) -> list[Errors]:
        """Errors in what is likeliest behind each token of a transcript, whose tokens before are
        given, cut to as many characters as the transcript has.

        So X-ARES chooses the epoch, which a guess of the end is no part of. What it guesses behind
        the end, of texts that are too short, is left out here.
        """
        params, texts, heard = self._language.params, self._transcripts.texts, {}
        for some, batch in self._transcripts.in_order(items, self._task.batch):
            guessed = self._programs.predict(adapter, params, batch)
            rows = jax.device_get((guessed, batch.counts))
            for item, ids, count in zip(some, *rows, strict=False):
                text = self._language.reader.decode(ids[: count - 1].tolist())
                heard[item] = text[: len(texts[item])]
        return self._errors(items, heard)

    def _errors(self, items: Int[np.ndarray, " n"], heard: dict[int, str]) -> list[Errors]:
        texts = self._transcripts.texts
        return [edits(texts[item].lower(), heard[item].lower()) for item in items]


def _step(
    model: Recogniser,
    adapter: Params,
    state: optax.OptState,
    language: Params,
    batch: Spoken,
    rate: Float[Array, ""],
) -> tuple[Params, optax.OptState, Float[Array, ""]]:
    """A step of Adam: the adapter, the optimizer's state, and the loss before it."""
    loss, gradient = jax.value_and_grad(model.loss)(adapter, language, batch)
    updates, state = ADAM.update(gradient, state)
    return jax.tree.map(lambda value, change: value - rate * change, adapter, updates), state, loss
