"""Neither other clips, their order or number nor the file's format moves an embedding by a bit."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiogen_jax.evaluate.embedders.cnn14 import Cnn14Embedder
from audiogen_jax.evaluate.embedders.codec import CodecEmbedder
from audiogen_jax.evaluate.embedders.embedder import Embedder
from audiogen_jax.evaluate.embedders.onnx import OnnxEmbedder, OnnxSpec
from audiogen_jax.evaluate.embedders.registry import embedder
from audiogen_jax.evaluate.embedders.vggish import VggishEmbedder
from audiogen_jax.evaluate.judge.training import train_judge
from audiogen_jax.files.audio import read_audio, write_audio
from audiogen_jax.infer.codec import Codec
from tests.evaluate.embedders.graphs import save_levels
from tests.evaluate.embedders.test_cnn14 import saved
from tests.evaluate.melodies import RECORDINGS, SHORT

RATE = 16000
FORMATS = (("wav", "PCM_16"), ("flac", "PCM_16"), ("wav", "PCM_24"), ("flac", "PCM_24"))
RNG = np.random.default_rng(0)
INTEGERS = [(3000 * RNG.standard_normal(n)).astype(np.int16) for n in (16000, 11000, 48000, 9000)]
CLIPS = [clip / np.float32(32768) for clip in INTEGERS]
IN_WHEELS = [
    pytest.param(
        lambda folder, name=name: embedder(name),
        marks=pytest.mark.skipif(
            not importlib.util.find_spec(name), reason=f"{name} is in no extra"
        ),
        id=name,
    )
    for name in ("resemblyzer", "musicnn")
]
EMBEDDERS = {
    "codec": lambda folder: CodecEmbedder(Codec.load("nano")),
    "judge": lambda folder: train_judge(RECORDINGS, SHORT),
    "vggish": lambda folder: VggishEmbedder(Path(__file__).parent / "golden/vggish.pth"),
    "cnn14": lambda folder: Cnn14Embedder(saved(folder / "cnn14.safetensors", 512)),
    "onnx": lambda folder: OnnxEmbedder(
        save_levels(folder / "levels.onnx"), OnnxSpec("levels", 8000, window=0.5)
    ),
}
Make = Callable[[Path], Embedder]


@pytest.mark.parametrize(
    "make", [*IN_WHEELS, *(pytest.param(each, id=name) for name, each in EMBEDDERS.items())]
)
def test_nothing_but_the_clip_counts(make: Make, tmp_path):
    embeds = make(tmp_path)
    alone = np.concatenate([embeds.embed([clip], RATE).values for clip in CLIPS])
    assert np.abs(np.diff(alone, axis=0)).max() > 1e-6  # it hears something

    @settings(max_examples=6)
    @given(st.lists(st.integers(0, len(CLIPS) - 1), min_size=1, max_size=9))
    def any_batch(rows: list[int]):
        together = embeds.embed([CLIPS[row] for row in rows], RATE).values
        np.testing.assert_array_equal(together, alone[rows])

    any_batch()
    for suffix, subtype in FORMATS:
        path = write_audio(tmp_path / f"{subtype}.{suffix}", CLIPS[1], RATE, subtype)
        heard = embeds.embed([read_audio(path).samples[:, 0]], RATE).values
        np.testing.assert_array_equal(heard, alone[1:2])
