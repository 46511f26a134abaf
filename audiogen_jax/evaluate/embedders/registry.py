"""Embedders by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from audiogen_jax.evaluate.embedders.clap import ClapEmbedder
from audiogen_jax.evaluate.embedders.cnn14 import Cnn14Embedder
from audiogen_jax.evaluate.embedders.codec import CodecEmbedder
from audiogen_jax.evaluate.embedders.embedder import Embedder
from audiogen_jax.evaluate.embedders.musicnn import MusicnnEmbedder
from audiogen_jax.evaluate.embedders.onnx import OnnxEmbedder, OnnxSpec
from audiogen_jax.evaluate.embedders.vggish import VggishEmbedder
from audiogen_jax.evaluate.embedders.voice import VoiceEmbedder
from audiogen_jax.evaluate.judge.cache import find_judge
from audiogen_jax.infer.codec import Codec

UTMOS = OnnxSpec("UTMOS", 16000, layer="rating")
"""Saeki et al. 2022 (arXiv:2204.02152): a waveform of 16 kHz to how listeners would rate it."""
JUDGES = "runs/judge"
"""Folder in which `audiogen evaluate` keeps the judge that it trains."""
OFFLINE: Mapping[str, Callable[[], Embedder]] = {
    "judge": lambda: find_judge(JUDGES),
    "resemblyzer": VoiceEmbedder,
    "musicnn": MusicnnEmbedder,
    "musicnn-msd": lambda: MusicnnEmbedder("MSD"),
}
"""Those whose weights come with a package, or are made here."""
FROM_FILE: Mapping[str, Callable[[str], Embedder]] = {
    "judge": find_judge,
    "vggish": VggishEmbedder,
    "cnn14": Cnn14Embedder,
    "clap": ClapEmbedder,
    "utmos": lambda source: OnnxEmbedder(source, UTMOS),
    "onnx": OnnxEmbedder,
}
"""Those whose weights the user has: a path, a URL, or owner/name/file of a hub repository."""
EXPECTED = ", ".join([*OFFLINE, *(f"{name}=FILE" for name in FROM_FILE)])
CODECS = "nano, a codec's folder or hub name (owner/name); with :LAYER one of its layers"


def embedder(name: str) -> Embedder:
    """An embedder, its weights found or refused.

    Args:
      name: of `OFFLINE`; or of `FROM_FILE` and where its weights are, as in
        "vggish=weights/vggish.pth"; or a codec that `Codec.load` takes, and after a colon its
        layer, as in "nano:semantic".

    Raises:
      ValueError: there is none of that name, or its weights are not here or of another network;
        says how to get them.
      OSError: a file cannot be read.
    """
    if name in OFFLINE:
        return OFFLINE[name]()
    kind, equals, source = name.partition("=")
    if equals and kind in FROM_FILE:
        return FROM_FILE[kind](source)
    return _codec_embedder(name)


def _codec_embedder(name: str) -> CodecEmbedder:
    source, colon, layer = name.rpartition(":")
    if not colon or "/" in layer:  # a whole URL, a whole path
        source, layer = name, ""
    if source != "nano" and "/" not in source and not Path(source).is_dir():
        raise ValueError(f"no embedder {name!r}: expected {EXPECTED}; or a codec: {CODECS}")
    return CodecEmbedder(Codec.load(source), layer or None)
