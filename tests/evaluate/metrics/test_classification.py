"""Scores of classifiers, beside scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from audiogen_jax.evaluate.metrics.classification import (
    mean_average_precision,
    recall_at_1,
    right,
    segment_f1,
)

RNG = np.random.default_rng(0)
LABELS = RNG.integers(5, size=60)
LOGITS = RNG.normal(size=(60, 5)) + np.eye(5)[LABELS]
TARGETS = (RNG.random((60, 5)) < 0.3).astype(int)


def test_accuracy():
    expected = metrics.accuracy_score(LABELS, LOGITS.argmax(axis=1))
    assert right(LOGITS, LABELS).mean() == pytest.approx(expected, abs=1e-12)
    assert 0.2 < expected < 1


@pytest.mark.parametrize("decimals", [None, 0])  # rounded, many clips have the same score
def test_mean_average_precision(decimals):
    scores = LOGITS if decimals is None else LOGITS.round(decimals)
    expected = metrics.average_precision_score(TARGETS, scores, average="macro")
    assert mean_average_precision(scores, TARGETS) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_f1_of_segments(average):
    clips = [(RNG.normal(size=(t, 4)), RNG.random((t, 4)) < 0.2) for t in (25, 31)]
    for logits, target in clips:
        logits[:, 3], target[:, 3] = -1, 0  # a class that is nowhere counts in the macro mean
    whole = [
        tuple(x[: len(x) // 10 * 10].reshape(-1, 10, 4).max(axis=1) > 0 for x in clip)
        for clip in clips
    ]
    heard, truth = (np.concatenate(each) for each in zip(*whole, strict=True))
    expected = metrics.f1_score(truth, heard, average=average, zero_division=0)
    found = segment_f1(*zip(*clips, strict=True), frames=10, average=average)
    assert found == pytest.approx(expected, abs=1e-6)
    assert 0 < found < 1


def test_recall_at_1():
    audio = np.eye(3)
    text = np.array([[2, 0, 0.1], [0, 0, 1], [0, 1, 0], [0, 5, 1], [0, 0.1, 1], [9, 0, 0]])
    # The caption of clip 0 that is meant for clip 2 is wrong from text to audio alone.
    clips = np.array([0, 0, 1, 1, 2, 2])
    nearest = metrics.pairwise.cosine_similarity(audio, text)
    to_text = np.mean(clips[nearest.argmax(axis=1)] == np.arange(3))
    to_audio = np.mean(nearest.argmax(axis=0) == clips)
    assert recall_at_1(audio, text, clips) == pytest.approx((to_text, to_audio))
    assert recall_at_1(audio, audio * 3, np.arange(3)) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: right(np.full((2, 3), np.nan), np.array([0, 1])), "NaN"),
        (lambda: right(LOGITS, LABELS + 1), "labels from 1 to 5"),
        (lambda: right(LOGITS, LABELS[:3]), "expected int"),
        (lambda: right(np.zeros((0, 3)), np.zeros(0, int)), "at least 1"),
        (lambda: mean_average_precision(LOGITS, TARGETS * [0, 1, 1, 1, 1]), "class 0 .1 in all."),
        (lambda: mean_average_precision(LOGITS, TARGETS * 2), "expected 0 or 1"),
        (lambda: segment_f1([LOGITS], [TARGETS * 0], 10, "micro"), "nothing is active"),
        (lambda: segment_f1([LOGITS], [TARGETS], 61, "micro"), "nothing is active in 0"),
        (lambda: segment_f1([], [], 10, "micro"), "0 predictions"),
        (lambda: recall_at_1(np.eye(3), np.eye(3), np.array([0, 0, 1])), "expected all of 3"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
