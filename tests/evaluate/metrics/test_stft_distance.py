"""Spectrogram distance against a transform written here."""

import numpy as np
import pytest

from audiogen_jax.evaluate.metrics.intelligibility import pesq_wb, stoi
from audiogen_jax.evaluate.metrics.log_spectral import log_spectral_distance
from audiogen_jax.evaluate.metrics.mel_distance import mel_distance
from audiogen_jax.evaluate.metrics.si_sdr import si_sdr
from audiogen_jax.evaluate.metrics.stft_distance import stft_distance

NOISE, OTHER = np.random.default_rng(0).normal(size=(2, 6001))


def magnitudes(signal, size, window, hop):
    """Of frames that are cut one by one."""
    left = (size - window) // 2
    taper = np.zeros(size)
    taper[left : left + window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    padded = np.pad(signal, size // 2, mode="reflect")
    starts = range(0, len(padded) - size + 1, hop)
    return np.abs([np.fft.rfft(padded[start : start + size] * taper) for start in starts])


def test_against_frames_cut_by_hand():
    x, y = NOISE, 0.5 * NOISE + 0.1 * OTHER
    convergences, logs = [], []
    for resolution in ((1024, 600, 120), (2048, 1200, 240), (512, 240, 50)):
        a, b = (magnitudes(z, *resolution) for z in (x, y))
        convergences.append(np.sqrt(np.square(a - b).sum() / np.square(a).sum()))
        a, b = np.maximum(a, 1e-7**0.5), np.maximum(b, 1e-7**0.5)
        logs.append(np.abs(np.log(a / b)).mean())
    distance = stft_distance(x, y)
    assert distance == pytest.approx((np.mean(convergences), np.mean(logs)), abs=1e-6)
    assert distance.total == pytest.approx(np.mean(convergences) + np.mean(logs), abs=1e-6)


def test_scale():
    assert stft_distance(NOISE, NOISE) == (0, 0)
    assert stft_distance(NOISE, 2 * NOISE) == pytest.approx((1, np.log(2)), rel=1e-6)
    both = stft_distance(NOISE, OTHER), stft_distance(8 * NOISE, 8 * OTHER)
    assert both[0] == pytest.approx(both[1], rel=1e-6)


def test_silence_and_shortness():
    silence = np.zeros_like(NOISE)
    for quiet in (silence, 1e-7 * NOISE):
        with pytest.raises(ValueError, match="silent"):
            stft_distance(quiet, NOISE)
    assert stft_distance(NOISE, silence).convergence == pytest.approx(1, abs=1e-3)
    assert stft_distance(NOISE[:1025], OTHER[:1025]).total > 0
    with pytest.raises(ValueError, match="1024 samples: expected more than 1024"):
        stft_distance(NOISE[:1024], OTHER[:1024])


def test_silence_in_the_other_distances():
    silence = np.zeros_like(NOISE)
    assert si_sdr(NOISE, silence) == -np.inf
    assert log_spectral_distance(silence, silence) == 0
    assert log_spectral_distance(NOISE, silence) > 50
    assert mel_distance(silence, silence, 16000) == 0
    assert stoi(silence, NOISE, 16000) is None and pesq_wb(silence, NOISE, 16000) is None
