"""Recordings shared out among stems."""

import numpy as np
import pytest

from audiogen_jax.evaluate.metrics.si_sdr import si_sdr
from audiogen_jax.infer.separation import separate, stem_masks

RATE = 16000


def tone(hertz: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44101, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_are_told_apart_at_any_rate_and_sum_to_the_recording(rate: int, channels: int):
    low, high = (
        np.stack([tone(f, rate) * (c + 1) for c in range(channels)], -1) for f in (500, 2500)
    )
    # Copies have phases of their own, as those of a codec do.
    copies = [np.roll(tone(f, RATE), 5) for f in (500, 2500)]
    stems = separate(low + high, rate, copies, RATE)
    np.testing.assert_allclose(sum(stems), low + high, atol=1e-6)
    middle = slice(rate // 10, -rate // 10)
    for stem, truth in zip(stems, (low, high), strict=True):
        assert stem.shape == truth.shape and stem.dtype == np.float32
        assert si_sdr(stem[middle, -1], truth[middle, -1]) > 20


def test_masks_are_shares():
    rng = np.random.default_rng(0)
    masks = stem_masks([rng.normal(size=RATE), 0.1 * rng.normal(size=RATE), np.zeros(RATE)], RATE)
    np.testing.assert_allclose(masks.sum(axis=0), 1)
    assert masks[0].min() > 0.7 and masks[2].max() == 0


def test_silent_copies_share_alike_and_lose_nothing():
    recording = tone(500, RATE)[:, None]
    first, second = separate(recording, RATE, [np.zeros(RATE)] * 2, RATE)
    np.testing.assert_allclose(first, recording / 2, atol=1e-6)
    np.testing.assert_allclose(first + second, recording, atol=1e-6)


@pytest.mark.parametrize("count", [1, 37, 200])
def test_recordings_shorter_than_a_window(count: int):
    recording = np.random.default_rng(count).normal(size=(count, 1)).astype(np.float32)
    copies = [recording[:, 0], 0 * recording[:, 0]]
    stems = separate(recording, RATE, copies, RATE)
    np.testing.assert_allclose(sum(stems), recording, atol=1e-6)
    assert all(stem.shape == recording.shape for stem in stems)
