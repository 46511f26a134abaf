"""Compressed files in memory, in the formats that libsndfile writes."""

import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float32

from audiogen_jax.files.audio import MAX_CHANNELS

_BLOCK = 1 << 16
"""Samples written at once: libsndfile's Vorbis encoder overflows its stack on long blocks."""


class _Container(NamedTuple):
    """How libsndfile calls a format, the rates that it holds, if few, and how many channels."""

    name: str
    subtype: str
    rates: tuple[int, ...] = ()
    channels: int = MAX_CHANNELS


_CONTAINERS = {
    ".mp3": _Container(
        "MP3",
        "MPEG_LAYER_III",
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
        2,
    ),
    ".opus": _Container("OGG", "OPUS", (8000, 12000, 16000, 24000, 48000)),
    ".ogg": _Container("OGG", "VORBIS"),
}
LOSSY = tuple(_CONTAINERS)


def held_rate(suffix: str, sample_rate: int) -> int:
    """The rate that a format holds: this one, the next higher one, or its highest."""
    rates = _CONTAINERS[suffix].rates
    if not rates or sample_rate in rates:
        return sample_rate
    return min((rate for rate in rates if rate > sample_rate), default=rates[-1])


def held_channels(suffix: str) -> int:
    """Most channels that a format holds."""
    return _CONTAINERS[suffix].channels


def encode_lossy(
    samples: Float32[np.ndarray, "n a"],
    sample_rate: int,
    suffix: str,
    tags: Mapping[str, str],
) -> bytes:
    """A file in memory. Those in Ogg differ at every call, in the number of their stream.

    Args:
      samples: float [n a] within [-1, 1].
      sample_rate: Hz, see `held_rate`.
      suffix: of `LOSSY`.
      tags: of the metadata, by the names of `soundfile`.

    Raises:
      ValueError: the format does not hold so many channels, or this rate.
    """
    container = _CONTAINERS[suffix]
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
    return buffer.getvalue()
