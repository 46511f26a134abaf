"""No metric takes NaN, other widths or too few clips, and none depends on the order of a set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiogen_jax.evaluate.embedders.embedder import Embeddings
from audiogen_jax.evaluate.metrics.cosine import clap_scores, speaker_similarities
from audiogen_jax.evaluate.metrics.divergence import (
    bernoulli_divergence,
    sigmoid_divergence,
    softmax_divergence,
)
from audiogen_jax.evaluate.metrics.frechet import frechet_distance
from audiogen_jax.evaluate.metrics.frechet_infinity import frechet_infinity
from audiogen_jax.evaluate.metrics.inception import inception_score
from audiogen_jax.evaluate.metrics.inputs import sorted_rows
from audiogen_jax.evaluate.metrics.intelligibility import pesq_wb, stoi
from audiogen_jax.evaluate.metrics.kernel_distance import (
    kernel_audio_distance,
    kernel_inception_distance,
)
from audiogen_jax.evaluate.metrics.log_spectral import log_spectral_distance
from audiogen_jax.evaluate.metrics.mel_distance import mel_distance
from audiogen_jax.evaluate.metrics.near_copies import near_copies
from audiogen_jax.evaluate.metrics.si_sdr import si_sdr
from audiogen_jax.evaluate.metrics.stft_distance import stft_distance
from tests.evaluate.embedded import embedded

SETS = (frechet_distance, frechet_infinity, kernel_audio_distance, kernel_inception_distance)
CLIPS = (clap_scores, speaker_similarities)
LOGITS = (softmax_divergence, sigmoid_divergence, bernoulli_divergence)
SIGNALS = (
    lambda a, b: stoi(a, b, 16000),
    lambda a, b: pesq_wb(a, b, 16000),
    stft_distance,
    si_sdr,
    log_spectral_distance,
    lambda a, b: mel_distance(a, b, 16000),
)


def values(clips: int = 12, width: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(clips, width))


def of(metric, a: np.ndarray, b: np.ndarray):
    return metric(a, b) if metric in LOGITS else metric(embedded(a), embedded(b))


@pytest.mark.parametrize("metric", SETS + CLIPS + LOGITS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_values_are_refused(metric, bad: float):
    broken = values()
    broken[7, 1] = bad
    for a, b in ((values(), broken), (broken, values())):
        with pytest.raises(ValueError, match="clip 7 .* hold NaN or infinite values"):
            of(metric, a, b)


@pytest.mark.parametrize("metric", SETS + CLIPS + LOGITS)
def test_other_widths_are_refused(metric):
    with pytest.raises(ValueError, match=r"expected \[n d\] and \[m d\]"):
        of(metric, values(), values(width=4))
    with pytest.raises(ValueError, match=r"expected \[n d\]"):
        of(metric, values()[0], values())


@pytest.mark.parametrize("metric", SETS)
def test_one_clip_is_no_set(metric):
    with pytest.raises(ValueError, match="of 1 clips: expected at least 2"):
        of(metric, values(), values(clips=1))


@pytest.mark.parametrize("metric", CLIPS + LOGITS)
def test_other_counts_are_no_pairs(metric):
    with pytest.raises(ValueError, match="12 and of 11 clips: expected pairs"):
        of(metric, values(), values(clips=11))
    with pytest.raises(ValueError, match="0 clips"):
        of(metric, values(clips=0), values(clips=0))


@pytest.mark.parametrize("metric", SIGNALS)
def test_signals_are_finite_and_of_a_length(metric):
    signal = np.random.default_rng(0).normal(size=4000)
    broken = np.where(np.arange(4000) == 99, np.nan, signal)
    with pytest.raises(ValueError, match="the estimate holds NaN"):
        metric(signal, broken)
    with pytest.raises(ValueError, match="the reference holds NaN"):
        metric(broken, signal)
    with pytest.raises(ValueError, match="signals of shape"):
        metric(signal, signal[1:])
    with pytest.raises(ValueError, match="signals of shape"):
        metric(signal[:0], signal[:0])


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(12)), st.permutations(range(12)))
def test_the_order_of_a_set_changes_no_bit(first: list[int], second: list[int]):
    a, b = values(), values(seed=1)
    for metric in SETS:
        assert of(metric, a, b) == of(metric, a[first], b[second])
    assert inception_score(a, 3) == inception_score(a[first], 3)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(12)), st.integers(1, 11))
def test_a_pair_depends_on_no_other(order: list[int], cut: int):
    a, b = values(), values(seed=1)
    for metric in CLIPS + LOGITS:
        scores = of(metric, a, b)
        assert np.array_equal(scores[order], of(metric, a[order], b[order]))
        batches = [of(metric, a[rows], b[rows]) for rows in (slice(cut), slice(cut, None))]
        assert np.array_equal(scores, np.concatenate(batches))


def test_zeros_of_both_signs_are_the_same():
    rows = np.array([[0.0, 2.0], [-0.0, 1.0]])
    assert np.array_equal(sorted_rows(rows), sorted_rows(-(-rows)[::-1]))
    assert np.array_equal(sorted_rows(rows), sorted_rows(np.abs(rows)))


def test_near_copies_of_broken_embeddings():
    broken = values()
    broken[7, 1] = np.nan
    for case, message in (
        (broken, "clip 7"),
        (values(width=4), "expected"),
        (broken[:0], "0 clips"),
    ):
        with pytest.raises(ValueError, match=message):
            near_copies(embedded(case), embedded(values()), embedded(values(seed=1)))


def test_embeddings_of_two_embedders_are_refused():
    other = Embeddings(values(), embedded(values()).identity.__class__("x", "1", 1, "", "", ""))
    for metric in SETS + (speaker_similarities,):
        with pytest.raises(ValueError, match="need the same embedder"):
            metric(embedded(values()), other)
    with pytest.raises(ValueError, match="expected one network"):
        clap_scores(embedded(values()), other)
