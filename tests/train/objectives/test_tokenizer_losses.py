"""The tokenizer's losses against their formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.train.objectives.tokenizer_losses import (
    MEL_SCALES,
    feature_matching_loss,
    feature_sizes,
    hinge_discriminator_loss,
    hinge_generator_loss,
    multi_scale_mel_loss,
    semantic_preservation_loss,
)

RNG = np.random.default_rng(0)
REAL = [
    RNG.normal(size=(2, 5, 4)).astype(np.float32),
    RNG.normal(size=(2, 3, 8)).astype(np.float32),
]
FAKE = [RNG.normal(size=x.shape).astype(np.float32) for x in REAL]


def test_hinge():
    real = np.mean([np.clip(1 - x, 0, None).mean() for x in REAL])
    fake = np.mean([np.clip(1 + x, 0, None).mean() for x in FAKE])
    assert float(hinge_discriminator_loss(REAL, FAKE)) == pytest.approx(real + fake, rel=1e-5)
    generator = np.mean([np.clip(1 - x, 0, None).mean() for x in FAKE])
    assert float(hinge_generator_loss(FAKE)) == pytest.approx(generator, rel=1e-5)
    # A discriminator that separates by the margin has nothing left to learn.
    assert (
        float(hinge_discriminator_loss([jnp.full((1, 2, 2), 1.5)], [jnp.full((1, 2, 2), -1.5)]))
        == 0
    )


def test_feature_matching():
    expected = np.mean(
        [np.abs(r - f).mean() / np.abs(r).mean() for r, f in zip(REAL, FAKE, strict=True)]
    )
    sizes = feature_sizes(REAL)
    assert float(feature_matching_loss(REAL, FAKE, sizes)) == pytest.approx(expected, rel=1e-4)
    scaled = feature_matching_loss([7 * x for x in REAL], [7 * x for x in FAKE], 7 * sizes)
    assert float(scaled) == pytest.approx(expected, rel=1e-4)


def test_semantic_preservation():
    x = REAL[0]
    assert float(semantic_preservation_loss(3 * x, x)) == pytest.approx(0, abs=1e-6)
    assert float(semantic_preservation_loss(-x, x)) == pytest.approx(2, rel=1e-5)
    zero = jnp.zeros_like(x)
    assert np.isfinite(jax.grad(semantic_preservation_loss)(zero, zero)).all()


def test_mel():
    audio = jnp.asarray(RNG.normal(0, 0.1, (2, 4096)), jnp.float32)
    assert float(multi_scale_mel_loss(audio, audio)) == 0
    # Above the floor, a gain of e moves every log magnitude by one.
    assert float(multi_scale_mel_loss(audio, np.e * audio)) == pytest.approx(1, rel=1e-4)
    assert len(MEL_SCALES) >= 3


def test_mel_gradient_in_silence():
    audio = jnp.asarray(RNG.normal(0, 0.1, (1, 4096)), jnp.float32)
    gradient = jax.jit(jax.grad(multi_scale_mel_loss, argnums=1))(audio, jnp.zeros((1, 4096)))
    assert np.isfinite(gradient).all()
