"""Frechet distance against closed forms, and its floor."""

import dataclasses

import numpy as np
import pytest

from audiogen_jax.evaluate.embedders.embedder import Embeddings
from audiogen_jax.evaluate.metrics.frechet import frechet_beside_floor, frechet_distance
from tests.evaluate.embedded import IDENTITY, embedded


def test_frechet_of_two_gaussians():
    rng = np.random.default_rng(0)

    # Whitened samples have exactly the wanted moments, so the closed form holds exactly.
    def gaussian(mean, covariance):
        x = rng.normal(size=(500, 2))
        x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
        return x @ np.linalg.cholesky(np.asarray(covariance)).T + mean

    a = gaussian([0.0, 0.0], [[4.0, 0.0], [0.0, 1.0]])
    b = gaussian([3.0, 4.0], [[1.0, 0.0], [0.0, 9.0]])
    assert frechet_distance(embedded(a), embedded(b)) == pytest.approx(
        25 + (2 - 1) ** 2 + (1 - 3) ** 2
    )
    assert frechet_distance(embedded(a), embedded(a)) == pytest.approx(0.0, abs=1e-9)
    # Covariances that do not commute, against a value from the trace of sqrtm(A B).
    c = gaussian([0.0, 0.0], [[2.0, 1.0], [1.0, 2.0]])
    product = np.array([[4.0, 0.0], [0.0, 1.0]]) @ np.array([[2.0, 1.0], [1.0, 2.0]])
    expected = 5 + 4 - 2 * np.sqrt(np.linalg.eigvals(product)).sum()
    assert frechet_distance(embedded(a), embedded(c)) == pytest.approx(expected)


def test_frechet_with_fewer_samples_than_dimensions_is_finite():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(5, 16)), rng.normal(size=(4, 16)) + 3
    assert frechet_distance(embedded(a), embedded(b)) > 9 * 16 / 2
    with pytest.raises(ValueError, match="expected"):
        frechet_distance(embedded(a), embedded(b[:1]))


def test_frechet_refuses_two_embedders():
    values = np.random.default_rng(0).normal(size=(8, 4))
    other = Embeddings(values, dataclasses.replace(IDENTITY, layer="first"))
    with pytest.raises(ValueError, match="same embedder"):
        frechet_distance(embedded(values), other)


def test_frechet_floor_of_the_same_distribution():
    rng = np.random.default_rng(0)
    sets = embedded(rng.normal(size=(50, 4))), embedded(rng.normal(size=(80, 4)))
    distances = frechet_beside_floor(*sets, seed=0)
    assert distances["clips_per_set"] == 40
    floor = distances["real_to_real_floor"]
    assert distances["generated_to_real"] == pytest.approx(floor, rel=0.5)
