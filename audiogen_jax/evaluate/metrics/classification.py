"""How often a classifier is right: accuracy, average precision, F1 of segments, retrieval."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from audiogen_jax.evaluate.metrics.inputs import rows


def right(logits: ArrayLike, labels: ArrayLike) -> Bool[np.ndarray, " n"]:
    """Which clips have the highest logit at their label; accuracy is the mean.

    Args:
      logits: [n c].
      labels: int [n], of 0 to c - 1.

    Raises:
      ValueError: no clips, NaN, or labels that do not belong to the logits.
    """
    scores, answers = rows(logits, "logits"), np.asarray(labels)
    if answers.shape != scores.shape[:1] or not np.issubdtype(answers.dtype, np.integer):
        raise ValueError(f"labels {answers.dtype}{list(answers.shape)}: expected int [n] of logits")
    if answers.min() < 0 or answers.max() >= scores.shape[1]:
        raise ValueError(
            f"labels from {answers.min()} to {answers.max()} for {scores.shape[1]} classes"
        )
    return np.equal(scores.argmax(axis=1), answers)


def mean_average_precision(scores: ArrayLike, targets: ArrayLike) -> float:
    """mAP: the mean over classes of sum_n (R_n - R_(n-1)) P_n over thresholds.

    Clips of the same score share a threshold.

    Args:
      scores: [n c], any increasing function of the probability.
      targets: 0 or 1, [n c].

    Raises:
      ValueError: no clips, NaN, other targets, or a class without a clip, which has no precision.
    """
    predicted, truth = _targets(scores, targets)
    if empty := np.flatnonzero(~truth.any(axis=0)).tolist():
        raise ValueError(f"class {empty[0]} ({len(empty)} in all) has no clip: no mAP")
    order = np.argsort(-predicted, axis=0, kind="stable")
    ranked, hits = (np.take_along_axis(each, order, axis=0) for each in (predicted, truth))
    places = np.arange(len(ranked))[:, None]
    # The last clip of those with the same score; from the end, the nearest such.
    ends = np.vstack([np.diff(ranked, axis=0) != 0, np.ones_like(truth[:1])])
    last = np.minimum.accumulate(np.where(ends, places, len(ranked))[::-1], axis=0)[::-1]
    precision = np.take_along_axis(np.cumsum(hits, axis=0), last, axis=0) / (last + 1)
    return float(np.mean(np.sum(precision * hits, axis=0) / np.sum(hits, axis=0)))


def segment_f1(
    predicted: Sequence[ArrayLike],
    targets: Sequence[ArrayLike],
    frames: int,
    average: Literal["macro", "micro"],
) -> float:
    """F1 of the activity of classes in segments, 2 TP / (2 TP + FP + FN).

    Args:
      predicted: of each clip, logits [t c]; above 0 is active.
      targets: of each clip, 0 or 1 [t c].
      frames: of a segment; what sounds anywhere within it is active, and what is left over at the
        end of a clip is dropped.
      average: "macro", the mean over classes, of which one that is neither there nor predicted
        counts as 0; "micro", of all classes together.

    Raises:
      ValueError: no clip holds a segment, NaN, other targets, or nothing is active anywhere.
    """
    if len(predicted) != len(targets) or not len(targets) or frames < 1:
        raise ValueError(f"{len(predicted)} predictions of {len(targets)} clips, {frames} frames")
    lengths = np.array([len(np.asarray(target)) for target in targets])
    if lengths.tolist() != [len(np.asarray(each)) for each in predicted] or not lengths.sum():
        raise ValueError("logits and targets of clips have other lengths, or none")
    logits, active = _targets(np.concatenate(predicted), np.concatenate(targets))
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    whole = place < np.repeat(lengths // frames * frames, lengths)  # the rest is dropped
    heard, truth = (
        np.any(each[whole].reshape(-1, frames, each.shape[1]), axis=1)
        for each in (logits > 0, active)
    )
    if not truth.any():
        raise ValueError(f"nothing is active in {len(truth)} segments: no F1")
    axis = 0 if average == "macro" else None
    both = 2 * np.sum(heard & truth, axis=axis)
    either = np.sum(heard, axis=axis) + np.sum(truth, axis=axis)
    return float(np.mean(both / np.maximum(either, 1)))


def recall_at_1(
    audio: ArrayLike, text: ArrayLike, clip_of_text: Int[np.ndarray, " m"]
) -> tuple[float, float]:
    """How often the nearest by cosine is a right one, from audio to text and from text to audio.

    Args:
      audio: [n d], one of each clip.
      text: [m d].
      clip_of_text: which clip each text is of.

    Returns:
      R@1 of clips, any text of which is right; R@1 of texts.

    Raises:
      ValueError: NaN, other widths, or a clip without a text.
    """
    a, b = rows(audio, "audio embeddings"), rows(text, "text embeddings")
    if a.shape[1] != b.shape[1] or len(b) != len(clip_of_text):
        raise ValueError(f"embeddings {a.shape} and {b.shape} of {len(clip_of_text)} texts")
    if set(clip_of_text.tolist()) != set(range(len(a))):
        raise ValueError(f"texts of clips {set(clip_of_text.tolist())}: expected all of {len(a)}")
    # The length of the query changes no order.
    unit_a, unit_b = (x / np.linalg.norm(x, axis=1, keepdims=True).clip(1e-12) for x in (a, b))
    cosines = unit_a @ unit_b.T
    to_text = clip_of_text[cosines.argmax(axis=1)] == np.arange(len(a))
    to_audio = cosines.argmax(axis=0) == clip_of_text
    return float(to_text.mean()), float(to_audio.mean())


def _targets(
    scores: ArrayLike, targets: ArrayLike
) -> tuple[Float[np.ndarray, "n c"], Bool[np.ndarray, "n c"]]:
    predicted, truth = rows(scores, "scores"), np.asarray(targets)
    if truth.shape != predicted.shape or not ((truth == 0) | (truth == 1)).all():
        raise ValueError(f"targets {truth.shape}: expected 0 or 1 in {predicted.shape}")
    return predicted, truth.astype(bool)
