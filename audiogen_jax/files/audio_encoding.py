"""WAV and FLAC files in memory."""

import io
import math
import types
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float, Float32

from audiogen_jax.types import as_float32

_BITS = {"PCM_16": 16, "PCM_24": 24}


class EncodedAudio(NamedTuple):
    """A file in memory.

    Attributes:
      contents: of the file.
      gain_db: 0, or below it the gain that fitted a peak over full scale.
    """

    contents: bytes
    gain_db: float


def encode_audio(
    samples: Float[np.ndarray, "n ..."],
    sample_rate: int,
    suffix: str,
    subtype: str = "PCM_16",
    tags: Mapping[str, str] = types.MappingProxyType({}),
) -> EncodedAudio:
    """A file in memory; what is read of 16 or 24 bits is written to as many without a change.

    Args:
      samples: float [n] or [n a], finite.
      sample_rate: Hz.
      suffix: of `FORMATS`.
      subtype: see `write_audio`.
      tags: of the metadata, by the names of `soundfile`.

    Raises:
      ValueError: the format does not hold this rate or subtype.
    """
    samples, gain_db = as_float32(samples, "audio"), 0.0
    if subtype != "FLOAT":
        if (peak := float(np.abs(samples).max(initial=0.0))) > 1.0:
            samples, gain_db = samples / np.float32(peak), -20 * math.log10(peak)
        samples = _integers(samples, _BITS[subtype])
    buffer = io.BytesIO()
    try:
        channels, name = samples.shape[1] if samples.ndim == 2 else 1, suffix[1:]
        with soundfile.SoundFile(buffer, "w", sample_rate, channels, subtype, format=name) as file:
            for tag, text in tags.items():
                setattr(file, tag, text)
            file.write(samples)
    except (soundfile.SoundFileError, ValueError, TypeError) as error:
        raise ValueError(
            f"cannot write {suffix} of {subtype} at {sample_rate} Hz: {reason(error)}"
        ) from None
    return EncodedAudio(buffer.getvalue(), gain_db)


def _integers(samples: Float32[np.ndarray, "n ..."], bits: int) -> np.ndarray:
    """Int32 whose upper bits are the samples, by the scale at which libsndfile reads them.

    By itself it writes by another, so that what it has read comes out one step lower.
    """
    scale = 1 << (bits - 1)
    steps = np.rint(samples * np.float32(scale)).clip(-scale, scale - 1)
    return steps.astype(np.int32) << (32 - bits)


def reason(error: Exception) -> str:
    """What libsndfile says."""
    return getattr(error, "error_string", "") or str(error)
