"""Metrics against closed forms."""

from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.evaluate.metrics.frechet import frechet_distance
from audiogen_jax.evaluate.metrics.intelligibility import pesq_wb, stoi
from audiogen_jax.evaluate.metrics.mel_distance import mel_distance
from audiogen_jax.evaluate.metrics.si_sdr import si_sdr
from audiogen_jax.evaluate.suites.griffin_lim import griffin_lim, mel_bands
from audiogen_jax.files.audio import read_audio
from audiogen_jax.models.dasheng.config import TokenizerConfig

SPEECH = Path(__file__).parents[2] / "clips" / "speech" / "ljspeech" / "LJ001-0002.flac"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(SPEECH).samples


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
    assert mel_distance(speech, speech) == 0.0
    distances = [mel_distance(speech, noisy(speech, snr)) for snr in (40, 20, 10, 0)]
    assert distances == sorted(distances) and distances[0] > 0.0
    # Twice the amplitude is ln 2 in every bin above the floor.
    loud = np.random.default_rng(0).normal(size=16000)
    assert mel_distance(loud, 2 * loud) == pytest.approx(np.log(2), rel=1e-4)


def test_intelligibility_orders_noise(speech):
    for measure, best in ((stoi, 1.0), (pesq_wb, 4.64)):
        clean, mild, heavy = (
            measure(speech, x) for x in (speech, noisy(speech, 15), noisy(speech, -5))
        )
        assert clean == pytest.approx(best, abs=0.01)
        assert clean > mild > heavy


def test_intelligibility_is_undefined_for_very_short_speech(speech):
    short = speech[:3000]
    assert stoi(short, short) is None
    assert pesq_wb(short, short) is None
    with pytest.raises(ValueError, match="silent"):
        pesq_wb(speech, np.zeros_like(speech))


def test_frechet_of_two_gaussians():
    rng = np.random.default_rng(0)

    # Whitened samples have exactly the wanted moments, so the closed form holds exactly.
    def gaussian(mean, covariance):
        x = rng.normal(size=(500, 2))
        x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
        return x @ np.linalg.cholesky(np.asarray(covariance)).T + mean

    a = gaussian([0.0, 0.0], [[4.0, 0.0], [0.0, 1.0]])
    b = gaussian([3.0, 4.0], [[1.0, 0.0], [0.0, 9.0]])
    assert frechet_distance(a, b) == pytest.approx(25 + (2 - 1) ** 2 + (1 - 3) ** 2)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)
    # Covariances that do not commute, against a value from the trace of sqrtm(A B).
    c = gaussian([0.0, 0.0], [[2.0, 1.0], [1.0, 2.0]])
    product = np.array([[4.0, 0.0], [0.0, 1.0]]) @ np.array([[2.0, 1.0], [1.0, 2.0]])
    expected = 5 + 4 - 2 * np.sqrt(np.linalg.eigvals(product)).sum()
    assert frechet_distance(a, c) == pytest.approx(expected)


def test_frechet_with_fewer_samples_than_dimensions_is_finite():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(5, 16)), rng.normal(size=(4, 16)) + 3
    assert frechet_distance(a, b) > 9 * 16 / 2
    with pytest.raises(ValueError, match="expected"):
        frechet_distance(a, b[:1])


def test_griffin_lim_keeps_the_budget_and_the_spectrum(speech):
    config = TokenizerConfig(embed_dim=128, num_heads=4)
    assert mel_bands(config) * 50 == 25 * 128
    rebuilt = griffin_lim(speech, config)
    assert rebuilt.shape == speech.shape
    other = np.random.default_rng(0).normal(size=len(speech)).astype(np.float32) * speech.std()
    assert mel_distance(speech, rebuilt) < 0.5 * mel_distance(speech, other)
