"""Ratings are those of the package of the weights; noise is rated lower than speech."""

import numpy as np
import pytest

from audiogen_jax.evaluate.recognisers.speech_quality import SpeechRatings


def test_a_tone():
    """As speechmos 0.0.1.1 rates it."""
    time = np.arange(32000) / 16000
    tone = 0.2 * np.sin(400 * np.pi * time) * (1 + 0.5 * np.sin(6 * np.pi * time))
    (rating,) = SpeechRatings().rate([tone.astype(np.float32)], 16000)
    assert rating == pytest.approx((1.1170271, 1.3859137, 1.0458936), abs=1e-4)
