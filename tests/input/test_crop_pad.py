import numpy as np
import pytest

from audiogen_jax.input.crop_pad import crop_window, pad_to


def bark(where, length=80000):
    """Near silence with one loud 0.1 s."""
    samples = np.full((length, 1), 1e-4, np.float32)
    samples[where : where + 1600] = 0.25
    return samples


@pytest.mark.parametrize("where", [0, 40123, 78400])
def test_loud_windows_hold_the_sound(where):
    for seed in range(50):
        window = crop_window(bark(where), 16000, "loud", np.random.default_rng(seed))
        assert len(window) == 16000
        assert np.abs(window).max() == 0.25


def test_loud_windows_of_steady_sound_differ():
    ramp = (np.arange(80000, dtype=np.float32)[:, None] % 30000 + 1000) / 32768
    rngs = [np.random.default_rng(seed) for seed in range(20)]
    starts = {float(crop_window(ramp, 16000, "loud", rng)[0, 0]) for rng in rngs}
    assert len(starts) > 10


def test_random_windows_are_uniform():
    index = np.arange(1, 1001, dtype=np.float32)[:, None]
    rng = np.random.default_rng(0)
    starts = [crop_window(index, 900, "random", rng)[0, 0] for _ in range(2000)]
    assert min(starts) == 1 and max(starts) == 101
    assert np.mean(starts) == pytest.approx(51, abs=3)


@pytest.mark.parametrize("crop", ["loud", "random", "start"])
def test_short_clips_stay_whole(crop):
    samples = np.arange(1, 50, dtype=np.float32)[:, None]
    for length in (49, 400):
        window = crop_window(samples, length, crop, np.random.default_rng(0))
        np.testing.assert_array_equal(window, samples)


def test_every_length_near_the_clip_gives_a_full_window():
    samples = bark(100, length=1000)[:777]
    for length in range(1, 777):
        window = crop_window(samples, length, "loud", np.random.default_rng(length))
        assert len(window) == length


def test_start_is_the_start():
    window = crop_window(bark(5000), 100, "start", np.random.default_rng(0))
    np.testing.assert_array_equal(window, np.full((100, 1), 1e-4, np.float32))


def test_gain_and_padding():
    samples = np.float32([[0.5, 0.1], [-0.25, 0.0]])
    np.testing.assert_array_equal(pad_to(samples, 3), np.float32([[0.5, 0.1], [-0.25, 0], [0, 0]]))
    louder = pad_to(samples, 2, gain_db=20 * np.log10(1.5))
    np.testing.assert_allclose(louder, 1.5 * samples, rtol=1e-6)
    # The gain stops where the peak would pass full scale.
    np.testing.assert_allclose(pad_to(samples, 2, gain_db=40.0), 2 * samples, rtol=1e-6)
    np.testing.assert_array_equal(pad_to(np.float32([[-1.5]]), 1, gain_db=6.0), [[-1.5]])
    np.testing.assert_array_equal(pad_to(np.zeros((2, 1), "f4"), 2, gain_db=6.0), np.zeros((2, 1)))


def test_a_window_is_cut_from_all_channels():
    """The loud one decides."""
    stereo = np.concatenate([np.zeros((80000, 1), "f4"), bark(60000)], axis=1)
    window = crop_window(stereo, 16000, "loud", np.random.default_rng(0))
    assert window.shape == (16000, 2) and np.abs(window[:, 1]).max() == 0.25
