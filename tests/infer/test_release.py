"""Sampling from token ids against the PyTorch release, random weights of every layer.

`test_loading` does it with guidance along the sway schedule, by the checkpoint's name.
"""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import audiogen_jax as ag

GOLDEN = Path(__file__).parent.parent / "golden" / "audiogen_tiny"


@pytest.fixture(scope="module")
def pipeline():
    return ag.load(GOLDEN)


@pytest.fixture(scope="module")
def golden():
    return safetensors.numpy.load_file(GOLDEN / "io.safetensors")


def released(array: np.ndarray) -> np.ndarray:
    """[b c t] as the release keeps latents -> [b t c]."""
    return array.transpose(0, 2, 1)


@pytest.mark.parametrize(
    ("case", "steps", "guidance", "schedule"),
    [
        ("n10_g1", 10, 1.0, "sway"),
        pytest.param("n4_g5_linear", 4, 5.0, "linear", marks=pytest.mark.slow),
    ],
)
def test_release(pipeline, golden, case: str, steps: int, guidance: float, schedule: str):
    expected = released(golden[f"gen.{case}.latent"])
    latents, mask = pipeline.sample_latents(
        golden["gen.input_ids"],
        golden["gen.attention_mask"],
        released(golden["gen.noise"]),
        steps=steps,
        guidance=guidance,
        schedule=schedule,
        compat="release",
    )
    np.testing.assert_array_equal(np.asarray(mask).sum(axis=1), golden["gen.latent_length"])
    # Guidance multiplies rounding errors at every step.
    np.testing.assert_allclose(latents, expected, atol=1e-4 * np.abs(expected).max())
    waveform = np.asarray(pipeline.codec.decode(expected))
    np.testing.assert_allclose(waveform, golden[f"gen.{case}.waveform"], atol=1e-4)


def test_the_default_is_near_the_release(pipeline, golden):
    """What differs by default is small: integer timesteps, and padding near each clip's end."""
    tokens = golden["gen.input_ids"], golden["gen.attention_mask"]
    arguments = (*tokens, released(golden["gen.noise"]))
    options = {"steps": 10, "guidance": 1.0}
    latents, mask = pipeline.sample_latents(*arguments, **options)
    as_released, _ = pipeline.sample_latents(*arguments, **options, compat="release")
    valid = np.asarray(mask)
    assert (np.asarray(latents)[~valid] == 0).all()
    difference = np.abs(np.asarray(latents) - np.asarray(as_released))[valid]
    assert 0 < difference.mean() < 0.05 * np.abs(np.asarray(as_released))[valid].mean()
