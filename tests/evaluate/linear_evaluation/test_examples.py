"""Clips as vectors: what padding does in either mode, crops, labels, the cache."""

import dataclasses

import numpy as np
import pytest

from audiogen_jax.evaluate.linear_evaluation.clips import Event, pieces
from audiogen_jax.evaluate.linear_evaluation.examples import embed_clips
from audiogen_jax.evaluate.linear_evaluation.measure import measure_tasks, neighbour_accuracy
from audiogen_jax.evaluate.linear_evaluation.splits import folds_of
from audiogen_jax.evaluate.linear_evaluation.tasks import XARES, Folds, Given, Task
from tests.evaluate.linear_evaluation.frames import FRAME, RATE, Levels, clip, three_folds

TASK = Task("loudness", "sound", 2, "label", Folds(("0", "1", "2")), 100, "", epochs=4, batch=8)
GIVEN = dataclasses.replace(TASK, splits=Given("train", "test", "test"))


def score(clips, mode, tmp_path, task=TASK, seeds=(0, 1)):
    data = embed_clips(task, clips, Levels(), mode, tmp_path)
    return measure_tasks({task: data}, mode, seeds, Levels.frame_rate)[task.name]


def test_who_is_encoded_together_moves_the_paper_score_and_no_strict_one(tmp_path):
    clips = three_folds()
    mixed = sorted(clips, key=lambda each: (each.split, len(each.samples)))  # other batches
    alone = [dataclasses.replace(TASK, encode_batch=size) for size in (2, 16)]

    def vectors(task, clips, mode):
        data = embed_clips(task, clips, Levels(), mode, tmp_path)
        order = np.argsort([each.key for each in clips]) if mode == "paper" else slice(None)
        return data.vectors[order]

    strict = [vectors(task, each, "strict") for task in alone for each in (clips, mixed)]
    for other in strict[1:]:
        np.testing.assert_array_equal(other, strict[0])
    paper = [vectors(task, each, "paper") for task in alone for each in (clips, mixed)]
    assert not np.allclose(paper[0], paper[1]) and not np.allclose(paper[0], paper[2])
    # To the last bit of every logit that is behind a score.
    first, second = (score(each, "strict", tmp_path) for each in (clips, mixed[::-1]))
    assert first == second and first.score.value > 0.6
    close = [
        clip(each.key, (0.7, 1.0)[each.answers == ("loud",)], each.split,
             len(each.samples) // FRAME, each.answers)
        for each in clips
    ]  # fmt: skip
    scores = {}
    for mode in ("paper", "strict"):
        sets = [embed_clips(task, close, Levels(), mode, tmp_path) for task in alone]
        folds = [folds_of(TASK, data, mode) for data in sets]
        scores[mode] = {
            neighbour_accuracy(TASK, *each, mode) for each in zip(sets, folds, strict=True)
        }
    assert len(scores["paper"]) == 2  # a loud clip in much padding is like a quiet one
    assert len(scores["strict"]) == 1 and min(scores["strict"]) > max(scores["paper"])


def test_paper_chooses_on_the_test_fold_and_strict_on_another(tmp_path):
    data = embed_clips(TASK, three_folds(), Levels(), "paper", tmp_path)
    for number, fold in enumerate(folds_of(TASK, data, "paper")):
        assert set(data.splits[fold.test]) == {number} and fold.valid is not fold.train
        np.testing.assert_array_equal(fold.valid, fold.test)
        assert len(fold.train) == 16
    for number, fold in enumerate(folds_of(TASK, data, "strict")):
        used = [set(data.splits[each]) for each in fold]
        assert used[2] == {number} and used[1] == {(number + 1) % 3}
        assert not used[0] & (used[1] | used[2])


def test_a_validation_split_that_is_the_test_split_is_drawn_from_training_in_strict(tmp_path):
    clips = [dataclasses.replace(each, split=min(each.split, 1)) for each in three_folds()]
    data = embed_clips(GIVEN, clips, Levels(), "strict", tmp_path)
    (paper,), (strict,) = (folds_of(GIVEN, data, mode) for mode in ("paper", "strict"))
    np.testing.assert_array_equal(paper.valid, paper.test)
    assert not set(strict.valid) & (set(strict.test) | set(strict.train))
    assert set(strict.valid) | set(strict.train) == set(paper.train)


@pytest.mark.parametrize("same", ["samples", "recording"])
def test_a_sound_that_is_trained_on_and_tested_is_refused_or_counted(tmp_path, same):
    clips = three_folds()
    if same == "samples":
        clips[9] = dataclasses.replace(clips[9], samples=clips[1].samples)
    else:
        for number in (1, 9):
            clips[number] = dataclasses.replace(clips[number], recording="one concert")
    with pytest.raises(ValueError, match="fold 1 are trained on too, .*: 1-1. Leave them out"):
        score(clips, "strict", tmp_path, seeds=(0,))
    assert score(clips, "paper", tmp_path, seeds=(0,)).heard_in_training == 2
    assert score(three_folds(), "paper", tmp_path, seeds=(0,)).heard_in_training == 0


def test_a_drawn_validation_split_parts_no_recording(tmp_path):
    clips = [
        dataclasses.replace(each, split=min(each.split, 1), recording=f"{number // 4}")
        for number, each in enumerate(three_folds())
    ]
    data = embed_clips(GIVEN, clips, Levels(), "strict", tmp_path)
    (fold,) = folds_of(GIVEN, data, "strict")
    assert not {*data.sounds[fold.train]} & {*data.sounds[fold.valid]} and len(fold.valid) == 4


def test_crops_follow_each_other_and_the_rest_is_dropped():
    samples = np.arange(25, dtype=np.float32)
    assert [list(each) for each in pieces(samples, 10, pad=True)] == [
        list(range(10)), list(range(10, 20)),
    ]  # fmt: skip
    (padded,) = pieces(samples[:4], 6, pad=True)
    (short,) = pieces(samples[:4], 6, pad=False)
    assert list(padded) == [0, 1, 2, 3, 0, 0] and list(short) == [0, 1, 2, 3]
    (whole,) = pieces(samples, None, pad=True)
    assert len(whole) == 25


def test_crops_count_by_themselves_in_paper_and_as_one_clip_in_strict(tmp_path):
    task = dataclasses.replace(TASK, crop=5 * FRAME / RATE)
    lengths = {mode: score(three_folds(), mode, tmp_path, task) for mode in ("paper", "strict")}
    assert {mode: sum(map(len, s.clip_scores)) for mode, s in lengths.items()} == {
        "paper": 3 * (3 * 5 + 5 * 2), "strict": 24,
    }  # fmt: skip
    assert lengths["strict"].clips == lengths["paper"].clips == 24


def test_events_become_frames_and_their_f1_is_learned(tmp_path):
    task = Task("beats", "sound", 1, "label", Folds(("0", "1", "2")), 1, "", batch=1, epochs=100,
                metric="segment_f1_micro", level="frame", segment=2 * FRAME / RATE)  # fmt: skip
    clips = []
    for fold in range(3):
        for number in range(20):
            quiet = clip(f"{fold}{number:02}", 0.1, fold, 20 + number % 4)
            samples = quiet.samples.copy()
            samples[5 * FRAME : 9 * FRAME] *= 20
            events = (Event(5 * FRAME / RATE, 9 * FRAME / RATE, "beat"),)
            clips.append(dataclasses.replace(quiet, samples=samples, answers=(), events=events))
    data = embed_clips(task, clips, Levels(), "strict", tmp_path)
    assert data.lengths.tolist() == [20, 21, 22, 23] * 15
    np.testing.assert_array_equal(np.flatnonzero(data.targets[:20]), [5, 6, 7, 8])
    found = score(clips, "strict", tmp_path, task, seeds=(0,))
    assert found.score.value > 0.6 and found.chance is None and len(found.scores[0]) == 3
    brief = dataclasses.replace(task, epochs=1)
    assert score(clips, "paper", tmp_path, brief, seeds=(0,)).score < found.score


def test_many_labels_and_their_average_precision(tmp_path):
    task = dataclasses.replace(GIVEN, metric="map", separator=";", classes=3, epochs=80, batch=4)
    clips = [
        clip(f"{split}-{number}", (0.1, 1.0)[number % 2], split, 10,
             ("x", "loud")[: 1 + number % 2])
        for split in (0, 1)
        for number in range(8)
    ]  # fmt: skip
    found = score(clips, "paper", tmp_path, task)
    assert found.score.value > 0.9 and found.majority == 0.75 and found.neighbours is None
    assert found.clip_scores == [] and found.score.low is not None


def test_frames_are_embedded_once_and_never_those_of_another_embedder(tmp_path):
    clips, first, again = three_folds(2), Levels(), Levels()
    made = [embed_clips(TASK, clips, one, "strict", tmp_path).vectors for one in (first, again)]
    assert first.calls == 6 and again.calls == 0
    np.testing.assert_array_equal(*made)

    class Others(Levels):
        identity = dataclasses.replace(Levels().identity, layer="first")

    other = Others()
    embed_clips(TASK, clips, other, "strict", tmp_path)
    assert other.calls == 6


class Broken(Levels):
    def embed_frames(self, clips, sample_rate):
        return [frames * np.nan for frames in super().embed_frames(clips, sample_rate)]


@pytest.mark.parametrize(
    ("clips", "embedder", "message"),
    [
        ([], Levels(), "loudness: no clips"),
        ([clip("a", 1, 0), clip("b", 1, 1), clip("c", 1, 2)], Levels(), "have 1 classes, the task"),
        ([clip(k, 1, 0, answers=k) for k in "abc"], Levels(), "have 3 classes, the task 2"),
        ([clip("a", 1, 0, answers="ab")], Levels(), "'a' has the answers"),
        (three_folds(2), Broken(), "embedding of '0-0' has 25 frames, NaN"),
        (three_folds(2)[:4], Levels(), "fold 0 has no train clips"),
        ([each for each in three_folds(8) if each.split == 0 or each.answers == ("loud",)],
         Levels(), "fold 0 trains on a single class"),
        (three_folds(2), Levels(), "4 training clips: 10 neighbours need more"),
    ],
)  # fmt: skip
def test_degenerate_input_is_an_error(clips, embedder, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        data = embed_clips(TASK, clips, embedder, "strict", tmp_path)
        measure_tasks({TASK: data}, "strict", (0,), 25)


def test_other_refusals(tmp_path):
    data = embed_clips(TASK, three_folds(), Levels(), "strict", tmp_path)
    two = dataclasses.replace(TASK, splits=Folds(("0", "1")))
    with pytest.raises(ValueError, match="2 folds: strict mode needs 3"):
        folds_of(two, data, "strict")
    with pytest.raises(ValueError, match="mode='lenient'"):
        embed_clips(TASK, three_folds(), Levels(), "lenient", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="all different"):
        measure_tasks({TASK: data}, "strict", (0, 0), 25)


def test_the_table_of_the_benchmark():
    assert len(XARES) == 22 and len({task.name for task in XARES}) == 22
    assert sum(task.weight for task in XARES) == 38752
    assert [task.name for task in XARES if task.level == "frame"] == ["desed", "maestro"]
    assert {task.zenodo for task in XARES if not task.zenodo.isdigit()} == set()
