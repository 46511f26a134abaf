"""Sources and voices of other rates as the release of Audio-Omni resamples them."""

import json

import numpy as np
import pytest

from audiogen_jax.files.windowed_sinc import windowed_sinc
from audiogen_jax.models.prompting import Edit, PromptInputs, Sound
from audiogen_jax.models.quirks import Quirks
from tests import tiny_omni
from tests.parity.golden import FOLDER, golden

IO = golden("audio_omni", "resample.io")
TOLERANCE = json.loads((FOLDER / "audio_omni" / "resample.json").read_text())["tolerance"]
RATE = 44100


@pytest.mark.parametrize("name", [name for name in IO if name.startswith("in.")])
def test_resampling(name):
    rate = int(name.removeprefix("in."))
    found, expected = windowed_sinc(IO[name].T, rate, RATE), IO[f"out.{rate}"].T
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


def test_rates_without_a_common_divisor():
    """Of which the reference makes a table that needs more memory than there is."""
    tone = np.sin(2 * np.pi * 440 * np.arange(44101) / 44101)[:, None].astype(np.float32)
    found = windowed_sinc(tone, 44101, RATE)
    expected = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert found.shape == (RATE, 1)
    np.testing.assert_allclose(found[100:-100, 0], expected[100:-100], atol=2e-3)


def test_sources_are_resampled_so_on_demand(tmp_path):
    from audiogen_jax.checkpoints.registry import load_generator

    reader = load_generator(
        tiny_omni.write_checkpoint(tmp_path), dtype=np.float32, param_dtype=np.float32
    ).reader
    samples = IO["in.16000"][:, :300].T
    inputs = PromptInputs(edit=Edit("remove", "rain", Sound(samples, 16000)))
    rate = tiny_omni.CONFIG.sample_rate
    expected = windowed_sinc(samples, 16000, rate).mean(axis=1)
    released, default = (
        reader.read(inputs, quirks=Quirks.of(compat)).prompts.audio[0, : len(expected)]
        for compat in ("release", None)
    )
    np.testing.assert_allclose(released, expected, atol=1e-6)
    assert np.abs(default - expected).max() > 1e-3
