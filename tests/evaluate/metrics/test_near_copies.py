import numpy as np
import pytest

from audiogen_jax.evaluate.metrics.near_copies import near_copies
from tests.evaluate.embedded import embedded


def test_flags_an_exact_copy_and_not_an_unrelated_clip():
    rng = np.random.default_rng(0)
    training, held_out, unrelated = (rng.normal(size=(n, 32)) for n in (200, 60, 40))
    copies = near_copies(
        embedded(np.concatenate([training[[17]], unrelated])),
        embedded(training),
        embedded(held_out),
    )
    assert copies.nearest[0] == 17
    assert copies.distance[0] == pytest.approx(0.0, abs=1e-12)
    assert copies.distance[0] < copies.threshold
    assert copies.share <= 0.2  # the copy and about 5 % by chance
    assert near_copies(embedded(training), embedded(training), embedded(held_out)).share == 1.0


def test_a_scaled_copy_is_a_copy():
    rng = np.random.default_rng(0)
    training, held_out = rng.normal(size=(50, 8)), rng.normal(size=(20, 8))
    assert (
        near_copies(embedded(3 * training[:5]), embedded(training), embedded(held_out)).share == 1.0
    )
