import numpy as np
import pytest

from audiogen_jax.input.scenes.layers import room_response
from data.mixing import active_power, at_snr, layer_of, reverberate

RATE = 16000


def tone(hertz, seconds=1.0, amplitude=0.1):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE)


def decibels(ratio):
    return 10 * np.log10(ratio)


def test_active_power_ignores_pauses():
    bursts = np.concatenate([tone(400, 0.2), np.zeros(RATE), tone(400, 0.2)])
    assert active_power(bursts) == pytest.approx(0.1**2 / 2, rel=1e-3)


@pytest.mark.parametrize("snr_db", [-3.0, 0.0, 12.5])
def test_level_is_as_asked_whatever_the_pauses(snr_db):
    reference = np.concatenate([tone(300, 0.3, 0.7), np.zeros(3 * RATE)])
    layer = at_snr(tone(500, 2.0), reference, snr_db)
    found = decibels(np.mean(reference[: int(0.3 * RATE)] ** 2) / np.mean(layer**2))
    assert found == pytest.approx(snr_db, abs=0.01)


def test_a_silent_layer_has_no_level():
    with pytest.raises(ValueError, match="silent"):
        at_snr(np.zeros(RATE), tone(300), 0.0)


def test_place_fades_and_keeps_the_rest():
    layer = layer_of(np.ones(1000), 4000, 500)
    assert np.flatnonzero(layer)[[0, -1]].tolist() == [501, 1499]
    assert abs(layer[501]) < 0.01 and abs(layer[1499]) < 0.01
    np.testing.assert_array_equal(layer[660:1340], 1.0)


@pytest.mark.parametrize("onset", [-1, 3001])
def test_place_refuses_what_does_not_fit(onset):
    with pytest.raises(ValueError, match="do not fit"):
        layer_of(np.ones(1000), 4000, onset)


def test_room_has_the_decay_and_ratio_asked():
    response = room_response(0.5, 6.0, RATE, np.random.default_rng(0))
    assert response[0] == 1.0
    assert decibels(1.0 / np.sum(response[1:] ** 2)) == pytest.approx(6.0)
    # Over a third of the reverberation time the tail falls by a third of 60 dB.
    early, late = (np.mean(response[i : i + 800] ** 2) for i in (1, 1 + RATE // 6))
    assert decibels(early / late) == pytest.approx(20.0, abs=1.0)


def test_reverberation_is_convolution():
    rng = np.random.default_rng(0)
    layer, response = rng.standard_normal(500), rng.standard_normal(90)
    expected = np.convolve(layer, response)[:500]
    np.testing.assert_allclose(reverberate(layer, response), expected, atol=1e-10)
    np.testing.assert_allclose(reverberate(layer, np.ones(1)), layer, atol=1e-12)
