"""Audio files in and out: any format libsndfile reads becomes float32 at one rate."""

import dataclasses
import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Float32

from audiogen_jax.files.atomic import write_bytes

FORMATS = (".wav", ".flac")
SILENCE = 1e-5
"""Peak (-100 dBFS) under which audio counts as silent: less than a third of a 16-bit step."""
MAX_CHANNELS = 8
"""FLAC holds no more."""
_BLOCK = 1 << 22
_UNKNOWN = 2**63 - 1
"""Number of samples of a file whose header does not tell it."""


@dataclasses.dataclass(frozen=True)
class Audio:
    """One recording.

    Attributes:
      samples: float32 [n a] in about [-1, 1].
      sample_rate: Hz.
      notes: what was converted on reading, one phrase each; empty if nothing was.
    """

    samples: Float32[np.ndarray, "n a"]
    sample_rate: int
    notes: tuple[str, ...] = ()


def read_audio(
    source: str | Path | BinaryIO,
    sample_rate: int,
    channels: int = 1,
    name: str | None = None,
) -> Audio:
    """Decodes a file, the same way for training and for the command line.

    Nothing is rounded, cut off or clipped: lossy formats may pass 1.

    Args:
      source: path, or open file, of WAV, FLAC, MP3, Ogg, AIFF … (any format libsndfile reads).
      sample_rate: Hz of the result (soxr, very high quality, if the file has another).
      channels: of the result. 1 is the average of the channels; a mono file is repeated to more;
        no other conversion is made.
      name: of the file in errors; its path by default.

    Returns:
      The samples; what was converted is told in `notes`.

    Raises:
      FileNotFoundError: no file at the path.
      ValueError: not audio, of unknown length, cut short, without samples, with NaN or infinite
        samples, or of other channels.
    """
    if isinstance(source, str | Path):
        source = Path(source)
        name = name or str(source)
        if not source.is_file():
            raise FileNotFoundError(f"no audio file at {name}")
        if source.stat().st_size == 0:
            raise ValueError(f"{name} is an empty file (0 bytes)")
    name = name or "audio"
    try:
        with soundfile.SoundFile(source) as file:
            rate, subtype = file.samplerate, file.subtype
            samples = _read_all(file, name)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: .raw, without a header
        reason = getattr(error, "error_string", error)
        raise ValueError(f"{name} is not audio that libsndfile reads: {reason}") from None
    _check_finite(samples, name)
    notes = []
    if subtype not in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        notes.append(f"decoded {soundfile.available_subtypes().get(subtype, subtype)}")
    count, available = samples.shape
    if available != channels:
        if channels == 1:
            notes.append(f"averaged {available} channels to mono")
            samples = samples.mean(axis=1, keepdims=True)
        elif available == 1:
            notes.append(f"repeated mono to {channels} channels")
            samples = np.repeat(samples, channels, axis=1)
        else:
            raise ValueError(f"{name} has {available} channels: expected 1 or {channels}")
    if rate != sample_rate:
        notes.append(f"resampled {rate} Hz to {sample_rate} Hz")
        samples = soxr.resample(samples, rate, sample_rate, quality="VHQ")
        if not len(samples):
            raise ValueError(f"{name}: {count} samples at {rate} Hz are too few to resample")
        _check_finite(samples, name)
    return Audio(samples, sample_rate, tuple(notes))


def _read_all(file: soundfile.SoundFile, name: str) -> Float32[np.ndarray, "n a"]:
    """Reads in blocks, as some formats cannot be searched for their end."""
    if file.frames == _UNKNOWN:
        raise ValueError(
            f"{name} does not say how long it is, as files that are written to a pipe: convert it, "
            "with flac or ffmpeg"
        )
    blocks = []
    while len(block := file.read(_BLOCK, "float32", always_2d=True)):
        blocks.append(block)
    count = sum(map(len, blocks))
    if file.seekable() and count != file.frames:
        raise ValueError(f"{name} is cut short: {count} of {file.frames} samples can be read")
    if not blocks:
        raise ValueError(f"{name} holds no samples")
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _check_finite(samples: np.ndarray, name: str) -> None:
    if not np.isfinite(samples).all():
        raise ValueError(f"{name} holds NaN or infinite samples")


def trim_silence(samples: Float32[np.ndarray, "n a"]) -> Float32[np.ndarray, "m a"]:
    """A view without digital silence at the ends: what rounds to zero in 16 bits.

    Returns:
      No samples if all is silent.
    """
    audible = np.flatnonzero(np.abs(samples).max(axis=1, initial=0.0) > 2.0**-16)
    return samples[audible[0] : audible[-1] + 1] if audible.size else samples[:0]


def write_audio(path: str | Path, samples: Float[np.ndarray, "n ..."], sample_rate: int) -> Path:
    """Writes 16-bit WAV or FLAC under a temporary name, then renames: no half-written file.

    Samples beyond [-1, 1] are clipped, as 16-bit files hold no more.

    Args:
      path: `.wav` or `.flac`; missing folders are made.
      samples: float [n] or [n a].
      sample_rate: Hz.

    Raises:
      ValueError: another suffix; samples that are empty, silent, NaN or infinite.
      OSError: the folder cannot be written.
    """
    path = Path(path)
    check_audio_suffix(path)
    check_audible(np.asarray(samples), str(path))
    write_bytes(path, encode_audio(samples, sample_rate, path.suffix))
    return path


def encode_audio(samples: Float[np.ndarray, "n ..."], sample_rate: int, suffix: str) -> bytes:
    """The contents of a 16-bit file; samples beyond [-1, 1] are clipped.

    Args:
      samples: float [n] or [n a].
      sample_rate: Hz.
      suffix: of `FORMATS`.
    """
    buffer = io.BytesIO()
    samples = np.asarray(samples, np.result_type(samples, np.float32))
    clipped = np.clip(samples, -1.0, 1.0)
    soundfile.write(buffer, clipped, sample_rate, "PCM_16", format=suffix[1:])
    return buffer.getvalue()


def check_audio_suffix(path: Path) -> None:
    """Raises ValueError unless `path` ends in a format that `write_audio` writes."""
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"{path}: cannot write {path.suffix!r} audio, expected {' or '.join(FORMATS)}"
        )


def check_audible(samples: Float[np.ndarray, "n ..."], name: str) -> None:
    """Raises ValueError naming `name` if samples are empty, not finite, or silent."""
    channels = samples.shape[1] if samples.ndim == 2 else 1
    if samples.ndim not in (1, 2) or not samples.size or channels > MAX_CHANNELS:
        raise ValueError(
            f"{name}: expected samples [n] or [n a] with n > 0 and at most {MAX_CHANNELS} "
            f"channels, got shape {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ValueError(f"{name}: the audio holds NaN or infinite samples")
    peak = float(np.abs(samples).max())
    if peak < SILENCE:
        raise ValueError(
            f"{name}: the audio is silent (peak {peak:.1e}, expected at least {SILENCE})"
        )
