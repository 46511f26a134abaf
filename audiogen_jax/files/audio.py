"""Audio files in and out: any format libsndfile reads becomes mono float32 at one rate."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float

from audiogen_jax.files.atomic import written_atomically

FORMATS = (".wav", ".flac")
SILENCE = 1e-5
"""Peak (-100 dBFS) under which audio counts as silent: less than a third of a 16-bit step."""


@dataclasses.dataclass(frozen=True)
class Audio:
    """One mono recording.

    Attributes:
      samples: float32 [n] in about [-1, 1].
      sample_rate: Hz.
      notes: what was converted on reading, one phrase each; empty if nothing was.
    """

    samples: Float[np.ndarray, " n"]
    sample_rate: int
    notes: tuple[str, ...] = ()


def read_audio(path: str | Path, sample_rate: int = 16000) -> Audio:
    """Reads a file as mono float32 at `sample_rate`; what that changed is told in `notes`.

    Args:
      path: WAV, FLAC, MP3, Ogg, AIFF … (any format libsndfile reads).
      sample_rate: Hz of the result (soxr, very high quality, if the file has another).

    Raises:
      FileNotFoundError: no file at `path`.
      ValueError: not audio, no samples, or NaN or infinite samples.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no audio file at {path}")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is an empty file (0 bytes)")
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, subtype = file.samplerate, file.channels, file.subtype
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path} is not audio that libsndfile reads: {error.error_string}"
        ) from None
    if len(samples) == 0:
        raise ValueError(f"{path} holds no samples")
    if not np.isfinite(samples).all():
        raise ValueError(f"{path} holds NaN or infinite samples")
    notes = []
    if subtype not in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        notes.append(f"decoded {soundfile.available_subtypes().get(subtype, subtype)}")
    if channels > 1:
        notes.append(f"averaged {channels} channels to mono")
    mono = samples.mean(axis=1)
    if rate != sample_rate:
        notes.append(f"resampled {rate} Hz to {sample_rate} Hz")
        mono = soxr.resample(mono, rate, sample_rate, quality="VHQ")
        if len(mono) == 0:
            raise ValueError(f"{path}: {len(samples)} samples at {rate} Hz are too few to resample")
    return Audio(np.asarray(mono, np.float32), sample_rate, tuple(notes))


def write_audio(path: str | Path, samples: Float[np.ndarray, " n"], sample_rate: int) -> Path:
    """Writes 16-bit WAV or FLAC under a temporary name, then renames: no half-written file.

    Samples beyond [-1, 1] are clipped, as 16-bit files hold no more.

    Args:
      path: `.wav` or `.flac`; missing folders are made.
      samples: float [n].
      sample_rate: Hz.

    Raises:
      ValueError: another suffix; samples that are empty, silent, NaN or infinite.
      OSError: the folder cannot be written.
    """
    path = Path(path)
    check_audio_suffix(path)
    samples = np.asarray(samples, np.result_type(samples, np.float32))
    check_audible(samples, str(path))
    with written_atomically(path) as temporary:
        temporary.write_bytes(encode_audio(samples, sample_rate, path.suffix))
    return path


def encode_audio(samples: Float[np.ndarray, " n"], sample_rate: int, suffix: str) -> bytes:
    """The contents of a 16-bit file; samples beyond [-1, 1] are clipped.

    Args:
      samples: float [n].
      sample_rate: Hz.
      suffix: of `FORMATS`.
    """
    buffer = io.BytesIO()
    clipped = np.clip(samples, -1.0, 1.0)
    soundfile.write(buffer, clipped, sample_rate, "PCM_16", format=suffix[1:])
    return buffer.getvalue()


def check_audio_suffix(path: Path) -> None:
    """Raises ValueError unless `path` ends in a format that `write_audio` writes."""
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"{path}: cannot write {path.suffix!r} audio, expected {' or '.join(FORMATS)}"
        )


def check_audible(samples: Float[np.ndarray, " n"], name: str) -> None:
    """Raises ValueError naming `name` if samples are empty, not finite, or silent."""
    if samples.ndim != 1 or samples.size == 0:
        raise ValueError(f"{name}: expected samples [n] with n > 0, got shape {samples.shape}")
    if not np.isfinite(samples).all():
        raise ValueError(f"{name}: the audio holds NaN or infinite samples")
    peak = float(np.abs(samples).max())
    if peak < SILENCE:
        raise ValueError(
            f"{name}: the audio is silent (peak {peak:.1e}, expected at least {SILENCE})"
        )
