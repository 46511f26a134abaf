"""Noise levels shifted for latents of many numbers, in training and in sampling."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.flow.path import logit_normal, shift_levels, shift_of_size
from audiogen_jax.flow.schedules import SCHEDULES
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.train.objectives.flow_matching_config import TimeSamplingConfig


@given(
    shift=st.floats(0.1, 20),
    name=st.sampled_from(sorted(SCHEDULES)),
    steps=st.integers(1, 60),
)
def test_levels_still_fall_from_noise_to_data(shift: float, name, steps: int):
    sigmas = SamplingOptions(steps, schedule=name, shift=shift).plan().sigmas
    assert sigmas[0] == 1 and sigmas[-1] == 0
    assert (np.diff(sigmas) <= 0).all()
    plain = SamplingOptions(steps, schedule=name).plan().sigmas
    inner = slice(1, -1)
    assert ((np.asarray(sigmas) >= plain)[inner] if shift >= 1 else (sigmas <= plain)[inner]).all()


def test_a_shift_adds_its_logarithm_to_logits():
    key = jax.random.key(0)
    plain = logit_normal(key, 64, 0.3, 0.9)
    np.testing.assert_allclose(
        shift_levels(plain, 8.8), logit_normal(key, 64, 0.3 + np.log(8.8), 0.9), rtol=1e-5
    )
    drawn = TimeSamplingConfig("logit_normal", 0.3, 0.9, 8.8).draw(key, 64)
    np.testing.assert_array_equal(drawn, shift_levels(plain, 8.8))


def test_the_shift_of_the_published_latents():
    assert shift_of_size(248, 1280) == pytest.approx(8.8, abs=0.01)


@pytest.mark.parametrize("shift", [0.0, -1.0, 1000.0, float("nan"), float("inf"), "2"])
def test_an_impossible_shift_is_refused(shift):
    with pytest.raises(ValueError, match="shift="):
        SamplingOptions(shift=shift)
