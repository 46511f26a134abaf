"""A seed for each clip: the noise is that of the clip alone."""

import jax
import numpy as np
import pytest

from audiogen_jax.infer.noise import clip_keys
from audiogen_jax.infer.requests import check_seeds


def test_each_clip_has_the_key_of_its_seed():
    seeds, names = [0, 7, 2**31, 2**32 - 1], ["a", "b", "a", "a"]
    together = jax.random.key_data(clip_keys(seeds, names))
    for row, (seed, name) in enumerate(zip(seeds, names, strict=True)):
        (alone,) = jax.random.key_data(clip_keys(seed, [name]))
        np.testing.assert_array_equal(together[row], alone)
        digest = jax.random.key_data(jax.random.key(seed))
        assert digest[1] == np.uint32(seed)  # as `jax.random.key` reads it
    assert len({tuple(row) for row in together.tolist()}) == 4


def test_seeds_are_counted_and_checked():
    assert check_seeds(3, 2) == [3, 3] and check_seeds([1, 2], 2) == [1, 2]
    with pytest.raises(ValueError, match="2 seeds for 3 clips"):
        check_seeds([1, 2], 3)
    with pytest.raises(ValueError, match="seed=-1"):
        check_seeds([1, -1], 2)
