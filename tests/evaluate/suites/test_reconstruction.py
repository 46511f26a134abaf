"""The reconstruction suite on codecs of another rate and two channels, whose errors are known."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.evaluate.metrics.si_sdr import si_sdr
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Model
from audiogen_jax.evaluate.suites.reconstruction import Reconstruction, choose, group, rebuild

RATE = 24000


@dataclasses.dataclass(frozen=True)
class SampleCodec:
    """Latents are the samples themselves; noise is added with opposite signs to two channels."""

    channels: int = 2
    noise: float = 0.0
    sample_rate: int = RATE
    samples_per_latent: int = 240
    min_samples: int = 240
    latent_dim: int = 32  # as it says; the samples take more

    def encode(self, audio):
        assert audio.shape[2:] == (() if self.channels == 1 else (self.channels,))
        frames = audio.shape[1] // self.samples_per_latent
        return audio[:, : frames * self.samples_per_latent].reshape(1, frames, -1)

    def decode_each(self, latents, lengths):
        assert lengths.tolist() == [latents.shape[1]]
        audio = np.asarray(latents).reshape(1, -1, self.channels)
        noise = self.noise * np.random.default_rng(0).normal(size=(1, audio.shape[1], 1))
        audio = audio + noise * np.array([1, -1][: self.channels])
        audio = np.pad(audio, ((0, 0), (0, 100), (0, 0)))  # as buckets make it longer
        return audio[..., 0] if self.channels == 1 else audio


def recording(name: str, seconds: float = 1.0, split: str = "val", **facts) -> Recording:
    samples = np.random.default_rng(len(name)).normal(0, 0.1, round(RATE * seconds))
    views = facts.pop("views", {"caption": (name,)})
    return Recording(name, samples.astype(np.float32), RATE, split, views, **facts)


RECORDINGS = [
    recording("said", category="S"),
    recording("sung", category="MS"),
    recording("song", category="M"),
    recording("rain", category="A"),
    recording("drop", 0.001, category="A"),
    recording("train", split="train", category="A"),
    recording("words", views={"caption": ("c",), "asr": ("words",)}),
]


def test_groups_and_what_is_long_enough():
    assert [group(clip) for clip in RECORDINGS[:4]] == ["speech", "speech", "music", "sound"]
    assert group(RECORDINGS[-1]) == "speech"
    chosen = choose(RECORDINGS, 9, 240, seed=0)
    assert [clip.audio_id for clip in chosen] == ["said", "sung", "words", "song", "rain"]
    assert len(choose(RECORDINGS, 1, 240, seed=0)) == 3


@pytest.mark.parametrize("channels", [1, 2])
def test_all_but_the_last_partial_frame_comes_back(channels):
    samples = RECORDINGS[0].samples[:1000]
    rebuilt = rebuild(SampleCodec(channels), samples)
    np.testing.assert_array_equal(rebuilt[:960], samples[:960])
    np.testing.assert_array_equal(rebuilt[960:], 0)


def test_channels_are_averaged():
    samples = RECORDINGS[0].samples[:960]
    # What has opposite signs in two channels is gone in their mean; one channel keeps it.
    assert si_sdr(samples, rebuild(SampleCodec(2, noise=0.1), samples)) > 100
    assert si_sdr(samples, rebuild(SampleCodec(1, noise=0.1), samples)) < 3


def test_budget_and_scores_at_the_rate_of_the_codec():
    recordings = [clip for clip in RECORDINGS if group(clip) != "speech"]
    model = Model(SampleCodec(1, noise=0.001))  # type: ignore[arg-type]
    measurement = Reconstruction(per_group=1).run(model, recordings, Context(Path()))
    assert measurement.protocol["latent_values_per_second"] == 3200
    assert measurement.protocol["griffin_lim"]["mel_bands"] == 64
    assert measurement.protocol["clips"] == ["song", "rain"]
    scores = measurement.results["tokenizer"]
    assert scores.keys() == measurement.results["griffin_lim"].keys() == {"music", "sound"}
    assert scores["music"]["si_sdr_db"].mean == pytest.approx(40, abs=0.5)
    assert scores["music"].keys() == {"mel_distance", "si_sdr_db"}
    (table,) = measurement.tables
    assert list(table.columns) == ["group", "metric", "tokenizer", "griffin_lim", "clips"]
    assert table.rows[1][:3] == ["music", "si_sdr_db", scores["music"]["si_sdr_db"].mean]
