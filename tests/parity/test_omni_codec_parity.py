"""The Oobleck VAE of Audio-Omni against tensors made with the PyTorch release."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.checkpoints import tensor_views
from audiogen_jax.checkpoints.registry import open_codec
from audiogen_jax.infer.codec import Codec
from audiogen_jax.models.omni import oobleck
from tests.parity.golden import FOLDER, error, golden
from tests.parity.omni import oobleck_folder

TOLERANCE = 2e-5
IO, E2E = golden("audio_omni", "vae.io"), golden("audio_omni", "e2e.io")


def rows(name):
    return IO[name].swapaxes(1, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return oobleck_folder(tmp_path_factory.mktemp("vae"))


@pytest.fixture(scope="module")
def codec(folder):
    return Codec.load(folder)


def test_sizes_are_those_of_the_file(codec):
    sizes = json.loads((FOLDER / "audio_omni" / "vae.json").read_text())["config"]["config"]
    assert codec.samples_per_latent == sizes["downsampling_ratio"]
    assert (codec.latent_dim, codec.channels) == (sizes["latent_dim"], sizes["io_channels"])


@pytest.mark.parametrize("case", ["a", "b"])
def test_encode(codec, case):
    """Clip b is no whole number of frames long."""
    assert error(codec.encode(rows(f"in.wav_{case}")), rows(f"out.{case}.mean")) < TOLERANCE


def test_the_distribution_of_the_latents(codec):
    audio, model = rows("in.wav_a"), codec.codec
    mean, std = jax.jit(model.posterior)(codec.loaded.read(model.encoder, jnp.asarray), audio)
    assert error(std, rows("out.a.stdev")) < TOLERANCE
    assert error(mean + std * rows("in.eps_a"), rows("out.a.z")) < TOLERANCE


def decode(codec, latents):
    """With an axis of channels, of a set of one channel too."""
    audio = codec.decode(latents)
    return audio if audio.ndim == 3 else audio[:, :, None]


def test_decode(codec):
    decoded = decode(codec, rows("in.latent"))
    np.testing.assert_allclose(decoded, rows("out.decode.out"), atol=2e-5, rtol=0)
    one = decode(codec, rows("in.latent")[:1, :1])
    np.testing.assert_allclose(one, rows("out.decode_one_frame.out"), atol=2e-5, rtol=0)


@pytest.mark.parametrize("case", ["edit", "tts", "v2a"])
def test_waveforms_of_whole_generations(codec, case):
    """Latents of the release's calls, see `test_omni_parity`, to its waveforms and 16 bits."""
    decoded = decode(codec, E2E[f"out.{case}.latents"].swapaxes(1, 2))
    assert error(decoded, E2E[f"out.{case}.wav"].swapaxes(1, 2)) < TOLERANCE
    whole = np.asarray(decoded[0]).T
    steps = np.trunc(whole / np.abs(whole).max() * 32767) - E2E[f"out.{case}.pcm16"]
    assert np.abs(steps).max() <= 1


def without_exponentials(monkeypatch):
    monkeypatch.setattr(oobleck.jnp, "exp", lambda x: x)


def other_dilations(monkeypatch):
    monkeypatch.setattr(oobleck, "DILATIONS", (1, 3, 3))


def length_per_output_channel(monkeypatch):
    """The weight norm of a transposed convolution along the axis of its outputs."""
    right = tensor_views.WithoutWeightNorm.read

    def read(self, name):
        weight = right(self, name)
        if not name.endswith("layers.1.weight") or weight.shape[2] == 7:
            return weight
        length = self._file.read(f"{name}_g").ravel()[: weight.shape[1]]
        norm = np.sqrt((weight**2).sum(axis=(0, 2), keepdims=True))
        return (weight / norm * length[:, None]).astype(np.float32)

    monkeypatch.setattr(tensor_views.WithoutWeightNorm, "read", read)


@pytest.mark.parametrize(
    "fault", [without_exponentials, other_dilations, length_per_output_channel]
)
def test_the_tolerance_catches(folder, fault, monkeypatch):
    fault(monkeypatch)
    loaded = open_codec(folder, dtype=np.float32, param_dtype=np.float32)
    codec = loaded.codec
    decode = jax.jit(lambda params, latents: codec.decode(params, latents))  # compiled anew
    decoded = decode(loaded.read(codec.decoder, jnp.asarray), rows("in.latent")[:1, :1])
    assert error(decoded, rows("out.decode_one_frame.out")) > 0.01
