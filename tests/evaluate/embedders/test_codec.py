"""Embeddings by the encoder of a codec: what they are, and that nothing else moves them."""

import numpy as np
import pytest

from audiogen_jax.evaluate.embedders.codec import CodecEmbedder
from audiogen_jax.evaluate.embedders.embedder import FrameEmbedder
from audiogen_jax.evaluate.embedders.registry import embedder
from audiogen_jax.infer.codec import Codec

RNG = np.random.default_rng(0)
CLIPS = [0.1 * RNG.standard_normal(n).astype(np.float32) for n in (16000, 9000, 12345, 700)]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load("nano")


def test_layers_add_up_to_the_latents(codec):
    layers = {layer: CodecEmbedder(codec, layer) for layer in ("semantic", "acoustic", "unified")}
    frames = {layer: each.embed_frames(CLIPS[1:2], 16000)[0] for layer, each in layers.items()}
    np.testing.assert_allclose(
        frames["semantic"] + frames["acoustic"], frames["unified"], atol=1e-5
    )
    np.testing.assert_array_equal(frames["unified"], np.asarray(codec.encode(CLIPS[1][None]))[0])
    assert np.abs(frames["acoustic"]).max() > 0.1 and np.abs(frames["semantic"]).max() > 0.1
    assert len({each.identity for each in layers.values()}) == 3
    assert {each.identity.weights_sha256 for each in layers.values()} == {codec.encoder_sha256}


def test_the_mean_is_that_of_the_frames_a_clip_has(codec):
    embeds: FrameEmbedder = CodecEmbedder(codec)
    frames = embeds.embed_frames(CLIPS, 16000)
    assert [len(each) for each in frames] == [25, 14, 19, 1] and embeds.frame_rate == 25
    values = embeds.embed(CLIPS, 16000).values
    np.testing.assert_allclose(values, [each.mean(axis=0) for each in frames], atol=1e-5)


@pytest.mark.parametrize("layer", ["semantic", "unified"])
def test_other_clips_and_their_order_change_no_bit(codec, layer):
    embeds = CodecEmbedder(codec, layer)
    together = embeds.embed(CLIPS, 16000).values
    backwards = embeds.embed(CLIPS[::-1], 16000).values[::-1]
    alone = np.concatenate([embeds.embed([clip], 16000).values for clip in CLIPS])
    np.testing.assert_array_equal(together, backwards)
    np.testing.assert_array_equal(together, alone)


def test_clips_that_are_none_are_refused(codec):
    embeds = CodecEmbedder(codec)
    for clips, why in (
        ([], "no clips"),
        ([CLIPS[0], CLIPS[0][:500]], "clip 1 of 500 samples at 16000 Hz is too short"),
        ([np.full(16000, np.nan)], "clip 0 holds NaN"),
        ([np.ones(16000, np.int16)], "clip 0 is int16"),
        ([np.ones((16000, 2))], "expected mono"),
    ):
        with pytest.raises(ValueError, match=why):
            embeds.embed(clips, 16000)


def test_codecs_by_name():
    assert embedder("nano:semantic").identity.layer == "semantic"
    assert embedder("nano").identity.layer == "unified"
    with pytest.raises(ValueError, match="layer 'mel': this codec has semantic, acoustic, unified"):
        embedder("nano:mel")
    with pytest.raises(ValueError, match="no embedder 'vgish': expected .*resemblyzer.*nano"):
        embedder("vgish")
    with pytest.raises(ValueError, match="no checkpoint 'no/such/folder'"):
        embedder("no/such/folder:semantic")
