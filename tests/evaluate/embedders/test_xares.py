"""Encoders of others by the contract of X-ARES."""

import numpy as np
import pytest

from audiogen_jax.evaluate.embedders.embedder import FrameEmbedder
from audiogen_jax.evaluate.embedders.xares import EncoderEmbedder


class Encoder:
    sampling_rate = 8000
    output_dim = 2
    hop_size_in_ms = 10.0
    width = 2

    def __call__(self, audio):
        frames = audio[:, : audio.shape[1] // 80 * 80].reshape(len(audio), -1, 80)
        return np.stack([frames.mean(2), frames.std(2)][: self.width], axis=2)


CLIPS = [np.random.default_rng(0).normal(size=n).astype(np.float32) for n in (1600, 800)]


def test_frames_at_its_rate_and_their_mean():
    embeds: FrameEmbedder = EncoderEmbedder(Encoder(), np.asarray, "mean", "00")
    first, second = embeds.embed_frames(CLIPS, 8000)
    assert first.shape == (20, 2) and second.shape == (10, 2) and embeds.frame_rate == 100
    np.testing.assert_allclose(first[3], [CLIPS[0][240:320].mean(), CLIPS[0][240:320].std()], 1e-5)
    assert embeds.embed_frames(CLIPS, 16000)[0].shape == (10, 2)
    np.testing.assert_allclose(
        embeds.embed(CLIPS, 8000).values, [first.mean(axis=0), second.mean(axis=0)], atol=1e-6
    )
    assert embeds.identity.name == "mean" and embeds.identity.sample_rate == 8000


def test_what_breaks_the_contract_is_named():
    narrow = Encoder()
    narrow.width = 1
    with pytest.raises(ValueError, match=r"mean returns \[1, 20, 1\] of clip 0: expected"):
        EncoderEmbedder(narrow, np.asarray, "mean", "00").embed_frames(CLIPS, 8000)
    with pytest.raises(ValueError, match="0 frames of clip 0"):
        EncoderEmbedder(Encoder(), np.asarray, "mean", "00").embed_frames([CLIPS[0][:9]], 8000)
    still = Encoder()
    still.hop_size_in_ms = 0.0
    with pytest.raises(ValueError, match="hop_size_in_ms is 0.0, expected a number above 0"):
        EncoderEmbedder(still, np.asarray, "mean", "00")
