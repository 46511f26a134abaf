"""Metrics against closed forms."""

from pathlib import Path

import numpy as np
import pytest
import soxr

from audiogen_jax.evaluate.metrics.intelligibility import pesq_wb, stoi
from audiogen_jax.evaluate.metrics.mel_distance import mel_distance
from audiogen_jax.evaluate.metrics.si_sdr import si_sdr
from audiogen_jax.files.audio import read_audio

SPEECH = Path(__file__).parents[2] / "clips" / "speech" / "ljspeech" / "LJ001-0002.flac"


RATE = 16000


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(SPEECH, 16000).samples[:, 0]


def noisy(samples: np.ndarray, snr_db: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=len(samples))
    noise *= np.sqrt((samples**2).mean() / (noise**2).mean()) * 10 ** (-snr_db / 20)
    return (samples + noise).astype(np.float32)


def test_si_sdr_known_value_and_scale_invariance():
    n = np.arange(1600) / 1600
    reference, orthogonal = np.sin(2 * np.pi * 10 * n), np.sin(2 * np.pi * 20 * n)
    estimate = reference + 0.1 * orthogonal
    assert si_sdr(reference, estimate) == pytest.approx(20.0)
    assert si_sdr(reference, -7.3 * estimate + 0.5) == pytest.approx(20.0)
    with pytest.raises(ValueError, match="constant"):
        si_sdr(np.ones(10), np.arange(10.0))
    with pytest.raises(ValueError, match="shape"):
        si_sdr(reference, estimate[1:])


def test_mel_distance_zero_for_identical_and_monotone_in_noise(speech):
    assert mel_distance(speech, speech, RATE) == 0.0
    distances = [mel_distance(speech, noisy(speech, snr), RATE) for snr in (40, 20, 10, 0)]
    assert distances == sorted(distances) and distances[0] > 0.0
    # Twice the amplitude is ln 2 in every bin above the floor.
    loud = np.random.default_rng(0).normal(size=16000)
    assert mel_distance(loud, 2 * loud, RATE) == pytest.approx(np.log(2), rel=1e-4)


def test_intelligibility_orders_noise(speech):
    for measure, best in ((stoi, 1.0), (pesq_wb, 4.64)):
        clean, mild, heavy = (
            measure(speech, x, RATE) for x in (speech, noisy(speech, 15), noisy(speech, -5))
        )
        assert clean == pytest.approx(best, abs=0.01)
        assert clean > mild > heavy


def test_intelligibility_is_undefined_for_very_short_speech(speech):
    short = speech[:3000]
    assert stoi(short, short, RATE) is None
    assert pesq_wb(short, short, RATE) is None
    with pytest.raises(ValueError, match="silent"):
        pesq_wb(speech, np.zeros_like(speech), RATE)


def test_intelligibility_at_another_rate(speech):
    """The rate of the audio decides how it is heard, and PESQ hears 16 kHz whatever comes in."""
    noise = noisy(speech, 35)
    high = [soxr.resample(x, RATE, 44100, quality="VHQ") for x in (speech, noise)]
    assert pesq_wb(*high, 44100) == pytest.approx(pesq_wb(speech, noise, RATE), abs=0.1)
    assert stoi(*high, 44100) == pytest.approx(stoi(speech, noise, RATE), abs=0.01)
