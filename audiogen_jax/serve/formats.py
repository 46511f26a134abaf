"""Files of audio in memory, in the formats that clients ask for."""

import dataclasses
import math
import re
import struct
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32

from audiogen_jax.files.audio import lossless_subtype
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.export import (
    Exported,
    check_clip,
    check_suffix,
    export,
    info_of,
    record_of,
)
from audiogen_jax.files.marking import Marking
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


def check_delivery(
    format: Format, delivery: Delivery, seconds: float | None, rate: int, channels: int
) -> None:
    """Checks, before any work, that a clip can be delivered.

    Args:
      format: see `check_format`.
      delivery: what is done to the clip.
      seconds: of it; None: they are not known.
      rate: Hz of it.
      channels: of it.

    Raises:
      ApiError: it cannot.
    """
    length = math.inf if seconds is None else seconds
    try:
        if format == "pcm":
            return delivery.check(length, rate, channels)
        check_suffix(Path(f"clip.{format}"), Marking(), delivery)
        check_clip(f".{format}", delivery, length, rate, channels)
    except ValueError as error:
        raise undeliverable(error) from error


def undeliverable(error: ValueError) -> ApiError:
    """The answer to what cannot be delivered; messages begin with the parameter, if it is one."""
    name = re.match(r"\w*", str(error))[0]  # type: ignore[index]
    known = name in {field.name for field in dataclasses.fields(Delivery)}
    param = name if known else "response_format"
    return ApiError(400, str(error), param, "unsupported_value")


def media_type(format: Format) -> str:
    """Of a format that can be written."""
    return _MEDIA_TYPES[format]


def encode(
    audio: Float32[np.ndarray, "n ..."],
    rate: int,
    format: Format,
    provenance: Provenance,
    like: str = "PCM_16",
    delivery: Delivery | None = None,
    time_reference: int = 0,
) -> Exported:
    """A file in memory; a peak over full scale is fitted by making all of the clip quieter.

    Args:
      audio: finite samples [n] or [n a].
      rate: Hz; where the format does not hold it, the next higher one that it does.
      format: but for "aac", see `check_format`.
      provenance: what made the clip; every format but "pcm" says it.
      like: subtype of the file that it was made from; in a format without loss nothing of it is.
      delivery: what is done to the clip before; nothing if None.
      time_reference: see `export`.

    Raises:
      ValueError: it cannot be delivered, or the format does not hold so many channels.
    """
    if format == "pcm":
        made = (delivery or Delivery()).apply(audio, rate)
        peak = max(1.0, float(np.abs(made.samples).max()))
        contents, gain_db = pcm(made.samples / np.float32(peak)), -20 * math.log10(peak)
        return Exported(contents, made.samples, made.sample_rate, made.changes, gain_db, None)
    suffix = f".{format}"
    subtype = lossless_subtype(like, suffix)
    return export(
        audio,
        rate,
        suffix,
        provenance,
        delivery,
        subtype=subtype,
        time_reference=time_reference,
    )


def pcm(audio: Float32[np.ndarray, "n ..."]) -> bytes:
    """16-bit little-endian samples; what is over full scale is cut there."""
    return np.rint(audio * 32768).clip(-32768, 32767).astype("<i2").tobytes()


def wav_header(
    samples: int, channels: int, rate: int, provenance: Provenance, delivery: Delivery
) -> bytes:
    """The start of a 16-bit WAV file whose samples, which are delivered already, follow."""
    told = info_of(provenance, record_of(provenance, delivery)).packed()
    size, width = samples * channels * 2, channels * 2
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(told) + size, b"WAVE", b"fmt ", 16, 1,
                         channels, rate, rate * width, width, 16)  # fmt: skip
    return header + told + struct.pack("<4sI", b"data", size)
