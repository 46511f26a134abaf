import numpy as np
import pytest

from audiogen_jax.evaluate.metrics.onsets import energy_onset, in_time, in_time_by_chance

RATE = 16000


@pytest.mark.parametrize("level", [1.0, 0.001])
def test_the_onset_of_a_sound_on_hiss(level):
    rng = np.random.default_rng(0)
    clip = 0.002 * rng.normal(size=3 * RATE)
    clip[20000] = 0.5  # a click begins nothing
    clip[24000:40000] += 0.3 * rng.normal(size=16000)
    assert energy_onset(level * clip, RATE) == pytest.approx(1.5, abs=0.02)
    assert energy_onset(np.zeros(RATE), RATE) is None


def test_in_time():
    assert in_time([1.0, 1.3, None], [1.15, 1.0, 0.0]) == [True, False, False]


def test_chance():
    assert in_time_by_chance(1.0, 2.0) == pytest.approx(0.2)
    assert in_time_by_chance(0.0, 2.0) == pytest.approx(0.1)
    assert in_time_by_chance(0.0, 0.0) == 1.0
    drawn = np.random.default_rng(0).uniform(0, 2, 20000)
    hits = np.mean(in_time(drawn.tolist(), [1.9] * len(drawn)))
    assert in_time_by_chance(1.9, 2.0) == pytest.approx(hits, abs=0.01)
