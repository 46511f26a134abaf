"""Files of audio in memory, in the formats that clients ask for."""

import math
import struct
from typing import Literal

import numpy as np
from jaxtyping import Float32

from audiogen_jax.files.audio import lossless_subtype
from audiogen_jax.files.audio_encoding import EncodedAudio
from audiogen_jax.files.export import export, info_of
from audiogen_jax.files.provenance import Provenance
from audiogen_jax.serve.errors import ApiError

Format = Literal["wav", "flac", "mp3", "opus", "ogg", "aac", "pcm"]
SPEECH_PCM_RATE = 24000
"""Hz of the `pcm` of `/v1/audio/speech`, as OpenAI's clients expect it."""
_MEDIA_TYPES: dict[Format, str] = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "ogg": "audio/ogg",
    "pcm": "audio/pcm",
}


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
    return _MEDIA_TYPES[format]


def encode(
    audio: Float32[np.ndarray, "n ..."],
    rate: int,
    format: Format,
    provenance: Provenance,
    like: str = "PCM_16",
) -> EncodedAudio:
    """A file in memory; a peak over full scale is fitted by making all of the clip quieter.

    Args:
      audio: finite samples [n] or [n a].
      rate: Hz; where the format does not hold it, the next higher one that it does.
      format: but for "aac", see `check_format`.
      provenance: what made the clip; every format but "pcm" says it.
      like: subtype of the file that it was made from; in a format without loss nothing of it is.

    Raises:
      ValueError: the format does not hold this rate, or so many channels.
    """
    if format == "pcm":
        peak = max(1.0, float(np.abs(audio).max(initial=0.0)))
        return EncodedAudio(pcm(audio / np.float32(peak)), -20 * math.log10(peak))
    suffix = f".{format}"
    made = export(audio, rate, suffix, provenance, subtype=lossless_subtype(like, suffix))
    return EncodedAudio(made.contents, made.gain_db)


def pcm(audio: Float32[np.ndarray, "n ..."]) -> bytes:
    """16-bit little-endian samples; what is over full scale is cut there."""
    return np.rint(audio * 32768).clip(-32768, 32767).astype("<i2").tobytes()


def wav_header(samples: int, channels: int, rate: int, provenance: Provenance) -> bytes:
    """The start of a 16-bit WAV file whose samples follow."""
    told = info_of(provenance).packed()
    size, width = samples * channels * 2, channels * 2
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(told) + size, b"WAVE", b"fmt ", 16, 1,
                         channels, rate, rate * width, width, 16)  # fmt: skip
    return header + told + struct.pack("<4sI", b"data", size)
