"""Audio files in and out: any format libsndfile reads becomes float32 at one rate."""

import collections
import dataclasses
import math
import warnings
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Float32

from audiogen_jax.files.atomic import write_bytes
from audiogen_jax.files.audio_encoding import encode_audio, reason
from audiogen_jax.types import as_float32

FORMATS = (".wav", ".flac")
SILENCE = 1e-5
"""Peak (-100 dBFS) under which audio counts as silent: less than a third of a 16-bit step."""
MAX_CHANNELS = 8
"""FLAC holds no more."""
MAX_SECONDS = 3600.0
"""Longest recording: a codec encodes all of it at once."""
MAX_SAMPLES = 1 << 28
"""Most samples of a recording in the channels asked for, at its own rate and at the one asked for:
a GiB of float32, 93 minutes at 48 kHz."""
MAX_LEVEL = 1e9
"""Largest sample that is taken for audio: integers in a file of floats still are, but the energies
of larger ones pass float32."""
RATES = (1000, 1_000_000)
"""Lowest and highest sample rate (Hz) that is believed."""
CANCELLED = 0.05
"""Channels cancel when their average has less than this share of the power of unrelated ones."""
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
      subtype: of the file, in the words of libsndfile ("PCM_16", "FLOAT", …).
    """

    samples: Float32[np.ndarray, "n a"]
    sample_rate: int
    notes: tuple[str, ...] = ()
    subtype: str = "FLOAT"


def read_audio(
    source: str | Path | BinaryIO,
    sample_rate: int | None = None,
    channels: int | None = 1,
    name: str | None = None,
    max_seconds: float | None = None,
) -> Audio:
    """Decodes a file, the same way for training and for the command line.

    Nothing is rounded, cut off or clipped: lossy formats may pass 1. Channels that cancel each
    other when they are averaged are warned of.

    Args:
      source: path, or open file, of WAV, FLAC, MP3, Ogg, AIFF … (any format libsndfile reads).
      sample_rate: Hz of the result (soxr, very high quality, if the file has another); that of the
        file if None.
      channels: of the result; see `convert`. Those of the file if None.
      name: of the file in errors; its path by default.
      max_seconds: of the recording; `MAX_SECONDS` if None.

    Returns:
      The samples; what was converted is told in `notes`.

    Raises:
      FileNotFoundError: no file at the path.
      OSError: the file cannot be opened.
      ValueError: not audio, of unknown length, beyond `max_seconds` or `MAX_SAMPLES`, of a rate
        outside `RATES`, cut short, without samples, with NaN or infinite samples, or of other
        channels.
    """
    if isinstance(source, str | Path):
        source = Path(source)
        name = name or str(source)
        if not source.is_file():
            raise FileNotFoundError(f"no audio file at {name}")
        with source.open("rb") as file:  # tells why a file cannot be opened; libsndfile does not
            if not file.read(1):
                raise ValueError(f"{name} is an empty file (0 bytes)")
    name = name or "audio"
    try:
        with soundfile.SoundFile(source) as file:
            rate, subtype = file.samplerate, file.subtype
            longest = MAX_SECONDS if max_seconds is None else max_seconds
            limits = _Limits(longest, sample_rate or rate, channels or file.channels, name)
            _check_header(file, limits)
            samples, averaged = _read_all(file, channels, limits)
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: .raw, without a header
        raise ValueError(f"{name} is not audio that libsndfile reads: {reason(error)}") from None
    check_samples(samples, name)
    notes: tuple[str, ...] = ()
    if subtype not in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        notes = (f"decoded {soundfile.available_subtypes().get(subtype, subtype)}",)
    samples, changes = convert(samples, rate, sample_rate or rate, channels, name)
    return Audio(samples, sample_rate or rate, (*notes, *averaged, *changes), subtype)


class _Limits(NamedTuple):
    """What is read of a recording, at most.

    Attributes:
      seconds: of it.
      sample_rate, channels: of the result.
      name: of the file.
    """

    seconds: float
    sample_rate: int
    channels: int
    name: str


def _check_header(file: soundfile.SoundFile, limits: _Limits) -> None:
    """Checks what a file says of itself, before memory is taken for it."""
    name = limits.name
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise ValueError(
            f"{name} says that its sample rate is {file.samplerate} Hz: expected {RATES[0]} to "
            f"{RATES[1]} Hz"
        )
    if file.frames == _UNKNOWN:
        raise ValueError(
            f"{name} does not say how long it is, as files that are written to a pipe: convert it, "
            "with flac or ffmpeg"
        )
    _check_size(file.frames, file, limits)


def _check_size(frames: int, file: soundfile.SoundFile, limits: _Limits) -> None:
    seconds = frames / file.samplerate
    samples = seconds * max(limits.sample_rate, file.samplerate) * limits.channels
    if seconds > limits.seconds or samples > MAX_SAMPLES:
        raise ValueError(
            f"{limits.name} is too long: {seconds:.0f} s, {file.channels} channels at "
            f"{file.samplerate} Hz; at most {limits.seconds:g} s and {MAX_SAMPLES} samples are "
            "read: cut it up"
        )


def _read_all(
    file: soundfile.SoundFile, channels: int | None, limits: _Limits
) -> tuple[Float32[np.ndarray, "n a"], tuple[str, ...]]:
    """Reads in blocks, as some formats cannot be searched for their end.

    Returns:
      The samples, averaged to mono if that is asked for, and the note of it.
    """
    name = limits.name
    blocks: collections.deque[np.ndarray] = collections.deque()
    mean, count = _Mean(), 0
    averages = channels == 1 < file.channels
    size = max(1, _BLOCK // file.channels)
    while len(block := file.read(size, "float32", always_2d=True)):
        blocks.append(mean.of(block) if averages else block)
        count += len(block)
        _check_size(count, file, limits)
    if file.seekable() and count != file.frames:
        raise ValueError(f"{name} is cut short: {count} of {file.frames} samples can be read")
    if not blocks:
        raise ValueError(f"{name} holds no samples")
    notes = mean.notes(name) if averages else ()
    if len(blocks) == 1:
        return blocks[0], notes
    samples, position = np.empty((count, blocks[0].shape[1]), np.float32), 0
    while blocks:  # each is freed when it has been copied
        block = blocks.popleft()
        samples[position : position + len(block)] = block
        position += len(block)
    return samples, notes


class _Mean:
    """The average of channels, which may cancel each other."""

    def __init__(self) -> None:
        self._channels, self._power, self._left = 1, 0.0, 0.0

    def of(self, block: Float32[np.ndarray, "n a"]) -> Float32[np.ndarray, "n 1"]:
        """Averages some samples."""
        mean = block.mean(axis=1, keepdims=True)
        self._channels = block.shape[1]
        self._power += float(np.vdot(block, block)) / block.shape[1]
        self._left += float(np.vdot(mean, mean))
        return mean

    def notes(self, name: str) -> tuple[str, ...]:
        """What was done; warns if little is left of the sound."""
        done = f"averaged {self._channels} channels to mono"
        if self._left * self._channels < CANCELLED * self._power:
            loss = 10 * math.log10(self._power / max(self._left, 1e-12 * self._power))
            warnings.warn(
                f"{name}: its {self._channels} channels cancel each other, their average is "
                f"{loss:.0f} dB quieter than they are: turn the sign of one, or keep one alone",
                stacklevel=2,
            )
            done += f", which cancel each other: {loss:.0f} dB quieter"
        return (done,)


def convert(
    samples: Float32[np.ndarray, "n a"],
    rate: int,
    sample_rate: int,
    channels: int | None = None,
    name: str = "audio",
) -> tuple[Float32[np.ndarray, "m a"], tuple[str, ...]]:
    """Audio in other channels and at another rate.

    Args:
      samples: float32 [n a].
      rate: Hz of them.
      sample_rate: Hz of the result.
      channels: of the result. 1 is the average of the channels, and mono is repeated to more; no
        other conversion is made. As they are if None.
      name: of the audio, for errors.

    Returns:
      The samples, and what was converted, one phrase each.

    Raises:
      ValueError: another conversion of channels, or too few samples to resample.
    """
    notes: list[str] = []
    count, available = samples.shape
    if channels is not None and available != channels:
        if channels == 1:
            mean = _Mean()
            samples = mean.of(samples)
            notes.extend(mean.notes(name))
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
        check_samples(samples, name)
    return samples, tuple(notes)


def check_samples(samples: np.ndarray, name: str) -> None:
    """Checks that samples are those of audio.

    Raises:
      ValueError: NaN, infinite ones, or more than `MAX_LEVEL`.
    """
    if not np.isfinite(samples).all():
        raise ValueError(f"{name} holds NaN or infinite samples")
    if (peak := float(np.abs(samples).max(initial=0))) > MAX_LEVEL:
        raise ValueError(f"{name} has a peak of {peak:.3g}, where full scale is 1: scale it")


def trim_silence(samples: Float32[np.ndarray, "n a"]) -> Float32[np.ndarray, "m a"]:
    """A view without digital silence at the ends: what rounds to zero in 16 bits.

    Returns:
      No samples if all is silent.
    """
    audible = np.flatnonzero(np.abs(samples).max(axis=1, initial=0.0) > 2.0**-16)
    return samples[audible[0] : audible[-1] + 1] if audible.size else samples[:0]


def write_audio(
    path: str | Path,
    samples: Float[np.ndarray, "n ..."],
    sample_rate: int,
    subtype: str = "PCM_16",
) -> Path:
    """Writes a WAV or FLAC file under a temporary name, then renames: no half-written file.

    A peak over full scale is not clipped: all of the clip is attenuated to fit, with a warning.

    Args:
      path: `.wav` or `.flac`; missing folders are made.
      samples: float [n] or [n a].
      sample_rate: Hz.
      subtype: "PCM_16", "PCM_24", or "FLOAT" (WAV alone), which holds any peak.

    Raises:
      ValueError: another suffix or subtype; samples that are no floats, empty, silent, NaN or
        infinite.
      OSError: the file cannot be written.
    """
    path = Path(path)
    check_audio_suffix(path)
    samples = as_float32(samples, f"{path}: audio")
    check_audible(samples, str(path))
    encoded = encode_audio(samples, sample_rate, path.suffix, subtype)
    write_bytes(path, encoded.contents)
    if encoded.gain_db:
        warnings.warn(
            f"{path}: a peak of {np.abs(samples).max():.2f} is over full scale: the clip is "
            f"written {-encoded.gain_db:.1f} dB quieter",
            stacklevel=2,
        )
    return path


def lossless_subtype(subtype: str, suffix: str) -> str:
    """What to write so that samples read from a file of some subtype stay as they are.

    Args:
      subtype: of the file that was read.
      suffix: of the file to write; FLAC rounds floats to 24 bits.
    """
    if subtype in ("PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW", "ALAC_16"):
        return "PCM_16"
    floats = suffix.lower() == ".wav" and subtype not in ("PCM_24", "ALAC_24")
    return "FLOAT" if floats else "PCM_24"


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
