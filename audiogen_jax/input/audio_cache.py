"""Clips decoded once and kept in memory as 16-bit integers."""

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Int16

from audiogen_jax.input.manifest import Member


class AudioCache:
    """Decodes clips to mono int16 at one sample rate and keeps them up to a memory budget.

    Threads may share a cache: two that miss at once decode the same clip twice, which is harmless.

    Args:
      sample_rate: Hz of the samples returned; other files are resampled (soxr, VHQ).
      max_bytes: clips beyond this total are decoded anew on every use.
    """

    def __init__(self, sample_rate: int, max_bytes: int):
        self._sample_rate = sample_rate
        self._max_bytes = max_bytes
        self._bytes = 0
        self._clips: dict[tuple[Path, Member | None], np.ndarray] = {}

    def load(self, path: Path, member: Member | None = None) -> Int16[np.ndarray, " n"]:
        """The samples of a file, without digital silence at its ends. Do not write to them.

        Args:
          path: the audio file, or a tar file.
          member: the audio inside a tar file.

        Raises:
          FileNotFoundError: no such file.
          ValueError: not audio, cut short, or silent throughout.
        """
        if (clip := self._clips.get((path, member))) is not None:
            return clip
        clip = _decode(path, member, self._sample_rate)
        if self._bytes + clip.nbytes <= self._max_bytes:
            self._bytes += clip.nbytes
            self._clips[path, member] = clip
        return clip


def _decode(path: Path, member: Member | None, sample_rate: int) -> Int16[np.ndarray, " n"]:
    if not path.is_file():
        raise FileNotFoundError(f"no audio file at {path}: is the manifest's folder complete?")
    source: Path | io.BytesIO = path
    if member is not None:
        with path.open("rb") as tar:
            tar.seek(member.offset)
            source = io.BytesIO(tar.read(member.size))
        path = path / member.name  # for messages
    try:
        with soundfile.SoundFile(source) as file:
            rate, frames = file.samplerate, file.frames
            samples = file.read(dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path} is not audio that libsndfile reads ({error.error_string}): restore the file "
            "or take it out of the manifest"
        ) from error
    if len(samples) != frames:
        raise ValueError(f"{path} is cut short: {len(samples)} of {frames} samples can be read")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if rate != sample_rate:
        mono = soxr.resample(mono.astype(np.float32), rate, sample_rate, quality="VHQ")
    mono = np.clip(np.rint(mono), -32768, 32767).astype(np.int16)
    audible = np.flatnonzero(mono)
    if audible.size == 0:
        raise ValueError(f"{path} is silent throughout: take it out of the manifest")
    return mono[audible[0] : audible[-1] + 1].copy()
