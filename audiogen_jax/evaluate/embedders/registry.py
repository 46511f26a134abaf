"""Embedders by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from audiogen_jax.evaluate.embedders.codec import CodecEmbedder
from audiogen_jax.evaluate.embedders.embedder import Embedder
from audiogen_jax.evaluate.embedders.voice import VoiceEmbedder
from audiogen_jax.infer.codec import Codec

INSTALLED: Mapping[str, Callable[[], Embedder]] = {"resemblyzer": VoiceEmbedder}
"""Those whose weights come with a package."""
CODECS = "nano, a codec's folder or hub name (owner/name); with :LAYER one of its layers"


def embedder(name: str) -> Embedder:
    """An embedder, its weights found or refused.

    Args:
      name: of `INSTALLED`; or a codec that `Codec.load` takes, and after a colon its layer, as in
        "nano:semantic".

    Raises:
      ValueError: there is none of that name, or its weights are not here; says how to get them.
    """
    if name in INSTALLED:
        return INSTALLED[name]()
    return _codec_embedder(name)


def _codec_embedder(name: str) -> CodecEmbedder:
    source, colon, layer = name.rpartition(":")
    if not colon or "/" in layer:  # a whole URL, a whole path
        source, layer = name, ""
    if source != "nano" and "/" not in source and not Path(source).is_dir():
        raise ValueError(
            f"no embedder {name!r}: expected {', '.join(INSTALLED)}; or a codec: {CODECS}"
        )
    return CodecEmbedder(Codec.load(source), layer or None)
