from pathlib import Path

import numpy as np

from audiogen_jax.evaluate.metrics.mel_distance import mel_distance
from audiogen_jax.evaluate.suites.griffin_lim import griffin_lim, mel_bands
from audiogen_jax.files.audio import read_audio

SPEECH = Path(__file__).parents[2] / "clips" / "speech" / "ljspeech" / "LJ001-0002.flac"
RATE = 16000


def test_griffin_lim_keeps_the_budget_and_the_spectrum():
    speech = read_audio(SPEECH, RATE).samples[:, 0]
    assert mel_bands(25 * 128) * 50 == 25 * 128
    rebuilt = griffin_lim(speech, RATE, 25 * 128)
    assert rebuilt.shape == speech.shape
    other = np.random.default_rng(0).normal(size=len(speech)).astype(np.float32) * speech.std()
    assert mel_distance(speech, rebuilt, RATE) < 0.5 * mel_distance(speech, other, RATE)
