"""The tiny generator of the model tests, with parameters."""

import jax
import numpy as np
import pytest

from tests.models.audiogen.test_generator import GENERATOR


@pytest.fixture(scope="module")
def params():
    shapes = jax.eval_shape(GENERATOR.init, jax.random.key(0))
    return jax.tree.map(
        lambda leaf: np.random.default_rng(leaf.size).normal(0, 0.3, leaf.shape).astype(np.float32),
        shapes,
    )
