"""Compressed files in memory, in the formats that libsndfile writes."""

import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float32

from audiogen_jax.files.audio import convert

_BLOCK = 1 << 16
"""Samples written at once: libsndfile's Vorbis encoder overflows its stack on long blocks."""


class _Container(NamedTuple):
    """How libsndfile calls a format, and the rates that it holds, if few."""

    name: str
    subtype: str
    rates: tuple[int, ...] = ()


_CONTAINERS = {
    ".mp3": _Container(
        "MP3",
        "MPEG_LAYER_III",
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    ),
    ".opus": _Container("OGG", "OPUS", (8000, 12000, 16000, 24000, 48000)),
    ".ogg": _Container("OGG", "VORBIS"),
}
LOSSY = tuple(_CONTAINERS)


def encode_lossy(
    samples: Float32[np.ndarray, "n a"],
    sample_rate: int,
    suffix: str,
    tags: Mapping[str, str],
) -> tuple[bytes, int]:
    """A file in memory. Those in Ogg differ at every call, in the number of their stream.

    Args:
      samples: float [n a] within [-1, 1].
      sample_rate: Hz; where the format does not hold it, the next higher one that it does is taken.
      suffix: of `LOSSY`.
      tags: of the metadata, by the names of `soundfile`.

    Returns:
      The contents, and their sample rate.

    Raises:
      ValueError: the format does not hold so many channels, or this rate.
    """
    container = _CONTAINERS[suffix]
    if container.rates and sample_rate not in container.rates:
        higher = min((each for each in container.rates if each > sample_rate), default=48000)
        samples, _ = convert(samples, sample_rate, higher)
        sample_rate = higher
    buffer, channels = io.BytesIO(), samples.shape[1]
    try:
        with soundfile.SoundFile(
            buffer, "w", sample_rate, channels, container.subtype, format=container.name
        ) as file:
            for name, text in tags.items():
                setattr(file, name, text)
            for start in range(0, len(samples), _BLOCK):
                file.write(samples[start : start + _BLOCK])
    except (soundfile.SoundFileError, ValueError) as error:
        raise ValueError(
            f"{suffix} holds no {channels} channels at {sample_rate} Hz: {error}"
        ) from None
    return buffer.getvalue(), sample_rate
