"""Files of audio in memory, in the formats that clients ask for."""

import io
import math
import struct
from typing import Literal, NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float32

from audiogen_jax.files.audio import EncodedAudio, convert, encode_audio, lossless_subtype
from audiogen_jax.serve.errors import ApiError

Format = Literal["wav", "flac", "mp3", "opus", "ogg", "aac", "pcm"]
SPEECH_PCM_RATE = 24000
"""Hz of the `pcm` of `/v1/audio/speech`, as OpenAI's clients expect it."""
_BLOCK = 1 << 16
"""Samples written at once: libsndfile's Vorbis encoder overflows its stack on long blocks."""


class _Container(NamedTuple):
    """How libsndfile calls a format, its media type, and the rates that it holds, if few."""

    name: str
    subtype: str
    media_type: str
    rates: tuple[int, ...] = ()


_CONTAINERS = {
    "mp3": _Container(
        "MP3",
        "MPEG_LAYER_III",
        "audio/mpeg",
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    ),
    "opus": _Container("OGG", "OPUS", "audio/ogg", (8000, 12000, 16000, 24000, 48000)),
    "ogg": _Container("OGG", "VORBIS", "audio/ogg"),
}
_MEDIA_TYPES = {"wav": "audio/wav", "flac": "audio/flac", "pcm": "audio/pcm"}


def check_format(format: Format) -> None:
    """Raises ApiError for a format that is known and cannot be written."""
    if format == "aac":
        raise ApiError(
            400,
            "response_format 'aac' cannot be written: take mp3, opus, flac, wav or pcm",
            "response_format",
            "unsupported_value",
        )


def media_type(format: Format) -> str:
    """Of a format that can be written."""
    return _MEDIA_TYPES[format] if format in _MEDIA_TYPES else _CONTAINERS[format].media_type


def encode(
    audio: Float32[np.ndarray, "n ..."], rate: int, format: Format, like: str = "PCM_16"
) -> EncodedAudio:
    """A file in memory; a peak over full scale is fitted by making all of the clip quieter.

    Args:
      audio: finite samples [n] or [n a].
      rate: Hz; where the format does not hold it, the next higher one that it does.
      format: but for "aac", see `check_format`.
      like: subtype of the file that it was made from; in a format without loss nothing of it is.

    Raises:
      ValueError: the format does not hold this rate, or so many channels.
    """
    if format in ("wav", "flac"):
        suffix = f".{format}"
        return encode_audio(audio, rate, suffix, lossless_subtype(like, suffix))
    peak = max(1.0, float(np.abs(audio).max(initial=0.0)))
    audio, gain_db = audio / np.float32(peak), -20 * math.log10(peak)
    if format == "pcm":
        return EncodedAudio(pcm(audio), gain_db)
    container = _CONTAINERS[format]
    columns = audio if audio.ndim == 2 else audio[:, None]
    if container.rates and rate not in container.rates:
        higher = min((each for each in container.rates if each > rate), default=48000)
        columns, _ = convert(columns, rate, higher)
        rate = higher
    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(
            buffer, "w", rate, columns.shape[1], container.subtype, format=container.name
        ) as file:
            for start in range(0, len(columns), _BLOCK):
                file.write(columns[start : start + _BLOCK])
    except (soundfile.SoundFileError, ValueError) as error:
        raise ValueError(
            f"{format} holds no {columns.shape[1]} channels at {rate} Hz: {error}"
        ) from None
    return EncodedAudio(buffer.getvalue(), gain_db)


def pcm(audio: Float32[np.ndarray, "n ..."]) -> bytes:
    """16-bit little-endian samples; what is over full scale is cut there."""
    return np.rint(audio * 32768).clip(-32768, 32767).astype("<i2").tobytes()


def wav_header(samples: int, channels: int, rate: int) -> bytes:
    """The start of a 16-bit WAV file whose samples follow."""
    size, width = samples * channels * 2, channels * 2
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, channels,
                         rate, rate * width, width, 16)  # fmt: skip
    return header + struct.pack("<4sI", b"data", size)
