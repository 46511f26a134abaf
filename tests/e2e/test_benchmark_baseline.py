"""The benchmark's PyTorch baseline is the network of the release: it meets the goldens."""

import numpy as np
import pytest

from tests.parity.golden import FOLDER, error, golden

torch = pytest.importorskip("torch")

TOLERANCE = 1e-4
IO = golden("audiogen_tiny")


@pytest.fixture(scope="module")
def baseline():
    from tests.benchmarks.torch_audiogen import TorchAudioGen

    return TorchAudioGen.load(FOLDER / "audiogen_tiny")


def tensor(name: str, dtype=None):
    return torch.from_numpy(IO[name]).to(dtype)


def text():
    return tensor("gen.input_ids"), tensor("gen.attention_mask", torch.bool)


def test_text(baseline):
    context, frames = baseline.encode_text(*text())
    assert error(context, IO["gen.backbone_context"]) < TOLERANCE
    np.testing.assert_array_equal(frames, IO["gen.latent_length"])


@pytest.mark.parametrize(
    ("case", "k", "context", "masked"),
    [("t0", 0, 1, True), ("t3", 3, 1, True), ("uncond_t1", 1, 0, True), ("nomask_t1", 1, 1, False)],
)
def test_velocity(baseline, case, k, context, masked):
    timestep = tensor("fwd.timesteps_scalar")[k].trunc().expand(2)
    masks = [tensor(f"fwd.{name}", torch.bool) if masked else None for name in MASKS]
    content, aligned = (context * tensor(f"fwd.{name}") for name in CONTEXTS)
    with torch.inference_mode():
        velocity = baseline.backbone(
            tensor("fwd.x"), timestep, content, masks[0], aligned, masks[1]
        )
    assert error(velocity, IO[f"fwd.velocity_{case}"]) < TOLERANCE


MASKS, CONTEXTS = ("context_mask", "x_mask"), ("context", "time_aligned_context")


@pytest.mark.parametrize(
    ("case", "steps", "guidance"),
    [("n4_g5", 4, 5.0), ("n4_g1", 4, 1.0), ("n10_g5", 10, 5.0), ("n10_g1", 10, 1.0)],
)
def test_generation(baseline, case, steps, guidance):
    frames = tensor("gen.latent_length")
    latents = baseline.sample(*text(), frames, tensor("gen.noise"), steps, guidance)
    assert error(latents, IO[f"gen.{case}.latent"]) < TOLERANCE
    assert error(baseline.decode(latents), IO[f"gen.{case}.waveform"]) < TOLERANCE
