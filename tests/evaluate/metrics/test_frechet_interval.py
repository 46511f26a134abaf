"""Intervals by products of clips are those of drawing the clips again."""

import numpy as np
import pytest

from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.metrics.bootstrap import bootstrap
from audiogen_jax.evaluate.metrics.frechet import frechet_distance
from audiogen_jax.evaluate.metrics.frechet_interval import frechet_interval

IDENTITY = Identity("random", "0", 16000, "none", "last", "mean")


def draw(clips: int, width: int, seed: int) -> Embeddings:
    rng = np.random.default_rng(seed)
    return Embeddings(5.0 + rng.standard_normal((clips, width)) * (1 + seed), IDENTITY)


@pytest.mark.parametrize(
    ("reference", "generated", "width"), [(7, 12, 30), (40, 6, 9), (30, 40, 9), (2, 2, 4)]
)
def test_same_as_drawing_the_clips(reference: int, generated: int, width: int):
    x, y = draw(reference, width, 0), draw(generated, width, 1)
    found = frechet_interval(x, y, seed=3, draws=40)
    plain = bootstrap(
        lambda a, b: frechet_distance(x[a], y[b]), reference, generated,
        seed=3, draws=40, centred=True,
    )  # fmt: skip
    assert found.value == frechet_distance(x, y)
    # Square roots of eigenvalues near zero are right to half of the digits.
    np.testing.assert_allclose(found, np.maximum(plain, 0.0), rtol=1e-7, atol=1e-6)


def test_of_the_same_clips():
    x = draw(8, 20, 0)
    found = frechet_interval(x, x, draws=20)
    assert found.value == pytest.approx(0.0, abs=1e-9)
    assert 0.0 <= found.low <= found.high < 20.0
    same = Embeddings(np.full((5, 3), 2.0), IDENTITY)
    assert frechet_interval(same, same, draws=20) == (0.0, 0.0, 0.0)
