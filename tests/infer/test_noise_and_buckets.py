"""Shapes from a short ladder, and noise that depends on nothing but seed, id, frame."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.infer.buckets import bucket
from audiogen_jax.infer.noise import clip_keys, clip_noise
from audiogen_jax.infer.requests import check_seeds


@given(st.integers(1, 100_000), st.sampled_from([16, 32, 16000]))
def test_a_bucket_holds_its_length_with_a_third_of_padding_at_most(length: int, smallest: int):
    size = bucket(length, smallest)
    assert size >= length
    assert size == smallest or size - length <= size / 3
    assert bucket(size, smallest) == size


def test_few_buckets():
    assert sorted({bucket(length, 32) for length in range(1, 769)}) == [
        *(32, 48, 64, 96, 128, 192, 256, 384, 512, 768)
    ]


def test_noise_of_a_clip_is_its_own():
    together = clip_noise(clip_keys(7, ["a", "b", "c"]), 64, 8)
    alone = clip_noise(clip_keys(7, ["b"]), 40, 8)
    np.testing.assert_array_equal(together[1, :40], alone[0])


@pytest.mark.parametrize(("seed", "name"), [(7, "b"), (8, "a")])
def test_noise_differs_by_id_and_seed(seed: int, name: str):
    one = np.asarray(clip_noise(clip_keys(7, ["a"]), 64, 8))
    other = np.asarray(clip_noise(clip_keys(seed, [name]), 64, 8))
    correlation = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert abs(correlation) < 6 / np.sqrt(512)


def test_noise_is_standard_normal_over_frames_and_channels():
    noise = np.asarray(clip_noise(clip_keys(0, ["0"]), 500, 20))[0]
    tolerance = 6 / np.sqrt(noise.size)
    np.testing.assert_allclose(noise.mean(), 0, atol=tolerance)
    np.testing.assert_allclose(noise.std(), 1, atol=tolerance)
    np.testing.assert_allclose((noise[1:] * noise[:-1]).mean(), 0, atol=tolerance)


def test_each_clip_has_the_key_of_its_seed():
    seeds, names = [0, 7, 2**31, 2**32 - 1], ["a", "b", "a", "a"]
    together = jax.random.key_data(clip_keys(seeds, names))
    for row, (seed, name) in enumerate(zip(seeds, names, strict=True)):
        (alone,) = jax.random.key_data(clip_keys(seed, [name]))
        np.testing.assert_array_equal(together[row], alone)
    assert len({tuple(row) for row in together.tolist()}) == 4


def test_seeds_are_counted_and_checked():
    assert check_seeds(3, 2) == [3, 3] and check_seeds([1, 2], 2) == [1, 2]
    with pytest.raises(ValueError, match="2 seeds for 3 clips"):
        check_seeds([1, 2], 3)
    with pytest.raises(ValueError, match="seed=-1"):
        check_seeds([1, -1], 2)
