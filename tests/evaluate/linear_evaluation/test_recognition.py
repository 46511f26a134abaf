"""Adapters before a language model: a toy task, padding, batches."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.checkpoints.qwen2 import load_qwen2
from audiogen_jax.evaluate.linear_evaluation.adapter import Recogniser
from audiogen_jax.evaluate.linear_evaluation.examples import Mode, embed_clips
from audiogen_jax.evaluate.linear_evaluation.recognition import measure_transcripts
from audiogen_jax.evaluate.linear_evaluation.tasks import XARES
from audiogen_jax.evaluate.linear_evaluation.transcripts import (
    END,
    SEPARATOR,
    Spoken,
    Transcripts,
)
from tests.evaluate.linear_evaluation.frames import FRAME, RATE, Levels, clip
from tests.parity.golden import FOLDER

(TASK,) = (task for task in XARES if task.level == "transcript")
WORDS = ("HE", "STEW", "BE")


class Kinds(Levels):
    """Three where a frame is as loud as one of three kinds, 0 elsewhere."""

    def embed_frames(self, clips, sample_rate):
        loud = [each[:, 0] for each in super().embed_frames(clips, sample_rate)]
        return [3 * np.float32(np.round(each)[:, None] == np.arange(3)) for each in loud]


def spoken(key: str, kind: int, split: int, frames: int):
    made = clip(key, 1.0, split, frames, (WORDS[kind],))
    wiggle = 1e-3 * made.samples  # else two clips would be the same
    return dataclasses.replace(made, samples=np.full_like(wiggle, kind) + wiggle)


def clips(train: int):
    return [
        spoken(f"{split}-{number}", number % 3, split, (8, 12)[number % 4 == 0])
        for split, count in enumerate((train, 3, 3))
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def language():
    return load_qwen2(FOLDER / "qwen2_tiny", jax.device_put)


def test_transcripts_are_learned(language, tmp_path):
    task = dataclasses.replace(TASK, epochs=8)
    data = embed_clips(task, clips(96), Kinds(), "strict", tmp_path)
    assert data.vectors.shape == (0, 3) and data.captions[0] == ("HE",)
    found = measure_transcripts(task, data, "strict", (0,), language)
    assert found.score == (1.0, 1.0, 1.0) and found.scores == [[1.0]]
    assert found.clips == 3 and found.metric == "word_accuracy"
    brief = dataclasses.replace(TASK, epochs=1)
    untrained = measure_transcripts(brief, data, "strict", (0,), language)
    assert untrained.score.value < 1 and untrained.best_epochs == [[0]]


@pytest.fixture
def batch(language, tmp_path):
    data = embed_clips(TASK, clips(4), Kinds(), "strict", tmp_path)
    return Transcripts(data, language.reader).batch([0, 1, 2], 4)  # 12, 8 and 8 frames


def of(language, mode: Mode, *batches: Spoken) -> list[list[np.ndarray]]:
    """What is made of each batch: states before each token, answers, the loss."""
    model = Recogniser(language.decoder, mode)
    adapter = model.adapter.init(jax.random.key(0), batches[0].frames)["params"]
    separator, end = (language.reader.special(name) for name in (SEPARATOR, END))

    @jax.jit
    def run(adapter, params, batch):
        return (
            model.before_tokens(adapter, params, batch)[0],
            model.answers(adapter, params, *batch[:2], separator, end)[0],
            model.loss(adapter, params, batch),
        )

    return [[np.asarray(each) for each in run(adapter, language.params, b)] for b in batches]


@pytest.mark.parametrize("mode", ["strict", "paper"])
def test_padding_and_who_is_beside_a_clip(mode, language, batch):
    """Padding changes no bit; a longer clip beside it changes what is before a clip's tokens, in
    paper mode alone, and no answer."""
    there = jnp.arange(batch.frames.shape[1]) < batch.lengths[:, None]
    said = jnp.arange(batch.ids.shape[1]) < batch.counts[:, None]
    broken = batch._replace(
        frames=jnp.where(there[..., None], batch.frames, jnp.nan),
        ids=jnp.where(said, batch.ids, 77),
    )
    beside = Spoken(*(each[jnp.array([2, 1, 2, 3])] for each in batch))
    first, again, without = of(language, mode, batch, broken, beside)
    np.testing.assert_array_equal(first[0][said], again[0][said])
    np.testing.assert_array_equal(first[1], again[1])
    assert first[2] == again[2]
    np.testing.assert_array_equal(first[1][1], without[1][1])
    moved = np.abs(first[0][1] - without[0][1])[: batch.counts[1]].max()
    assert moved == 0 if mode == "strict" else moved > 1e-3


def test_clips_of_one_shape_are_together(language, tmp_path):
    some = [spoken(f"{number}", number % 3, 0, frames) for number, frames in
            enumerate((8, 100, 9, 70, 64))]  # fmt: skip
    transcripts = Transcripts(embed_clips(TASK, some, Kinds(), "strict", tmp_path), language.reader)
    batches = list(transcripts.alike(np.arange(5), 2))
    assert [(list(items), each.frames.shape) for items, each in batches] == [
        ([0, 2], (2, 64, 3)), ([4], (2, 64, 3)), ([3], (2, 96, 3)), ([1], (2, 128, 3)),
    ]  # fmt: skip


def test_a_clip_without_words_is_named(language, tmp_path):
    silent = dataclasses.replace(clips(1)[0], answers=(" ",))
    data = embed_clips(TASK, [silent], Kinds(), "strict", tmp_path)
    with pytest.raises(ValueError, match="1 clips have no words, '0-0' among them"):
        Transcripts(data, language.reader)


def test_frames_are_padded_with_those_encoded_together_in_paper_mode(tmp_path):
    made = {
        mode: embed_clips(TASK, clips(4), Kinds(), mode, tmp_path) for mode in ("strict", "paper")
    }
    assert made["strict"].lengths.tolist() == [12, 8, 8, 8, *[12, 8, 8] * 2]
    assert made["paper"].lengths.tolist() == [12] * 10
    assert len(made["paper"].stored[1].read()) == 12
    assert RATE / FRAME == Kinds.frame_rate
