"""Clips decoded once and kept in memory."""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from audiogen_jax.files.audio import read_audio, trim_silence
from audiogen_jax.files.remote import is_remote, store_errors
from audiogen_jax.input.manifest import Member


class AudioCache:
    """Decodes clips to one sample rate and keeps them up to a memory budget.

    Threads may share a cache: two that miss at once decode the same clip twice, which is harmless.

    Args:
      sample_rate: Hz of the samples returned.
      max_bytes: clips beyond this total are decoded anew on every use; a sample takes 4 bytes.
      channels: of the samples returned; see `read_audio`.
      trim: take off digital silence at the ends of a clip, and refuse one that is silent.
    """

    def __init__(self, sample_rate: int, max_bytes: int, channels: int = 1, trim: bool = True):
        self.sample_rate = sample_rate
        self._max_bytes = max_bytes
        self._channels = channels
        self._trim = trim
        self._bytes = 0
        self._clips: dict[tuple[Path, Member | None], np.ndarray] = {}

    def load(self, path: Path, member: Member | None = None) -> Float32[np.ndarray, "n a"]:
        """The samples of a file. Do not write to them.

        Args:
          path: the audio file, or a tar file.
          member: the audio inside a tar file.

        Raises:
          FileNotFoundError: no such file.
          ValueError: not audio, cut short, not finite, of other channels, or silent throughout
            where silence is trimmed.
        """
        if (clip := self._clips.get((path, member))) is not None:
            return clip
        clip = self._decode(path, member)
        if self._bytes + clip.nbytes <= self._max_bytes:
            self._bytes += clip.nbytes
            self._clips[path, member] = clip
        return clip

    def _decode(self, path: Path, member: Member | None) -> Float32[np.ndarray, "n a"]:
        if not path.is_file():
            raise FileNotFoundError(f"no audio file at {path}: is the manifest's folder complete?")
        source: Path | io.BytesIO = path
        name = str(path)
        if member is not None:
            with path.open("rb") as tar:
                tar.seek(member.offset)
                source = io.BytesIO(tar.read(member.size))
            name = str(path / member.name)
        elif is_remote(path):
            with store_errors(path):
                source = io.BytesIO(path.read_bytes())
        try:
            audio = read_audio(source, self.sample_rate, self._channels, name)
        except ValueError as error:
            raise ValueError(f"{error}; restore the file or take it out of the manifest") from error
        if not self._trim:
            return audio.samples
        clip = trim_silence(audio.samples)
        if not len(clip):
            raise ValueError(f"{name} is silent throughout: take it out of the manifest")
        return clip.copy()
