"""Sound, pictures and videos, as a model that answers questions takes them."""

from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import soundfile
from jaxtyping import Float, UInt8

from audiogen_jax.files.audio import convert, read_audio
from audiogen_jax.files.video import VideoTimes, has_video, read_sound, read_video
from audiogen_jax.models.language_model import Film, LanguageModel, Recording
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.types import as_float32


class AudioClip(Protocol):
    """Sound at hand, such as a `Clip`."""

    @property
    def audio(self) -> Float[np.ndarray, "n ..."]: ...
    @property
    def sample_rate(self) -> int: ...


AudioSource: TypeAlias = str | Path | AudioClip
"""A file of sound, or a clip."""
VideoSource: TypeAlias = str | Path
"""A file of a video, or of a picture."""


def read_recording(source: AudioSource, model: LanguageModel) -> Recording:
    """Sound at the model's rate, its channels averaged.

    Args:
      source: any file that libsndfile reads, or with sound that FFmpeg reads (PyAV); or a clip.
      model: that is to hear it.

    Raises:
      OSError, ValueError: see `read_audio` and `read_sound`; a video without sound.
    """
    if isinstance(source, str | Path):
        if _is_sound(source):
            return Recording(read_audio(source, model.sample_rate, 1).samples[:, 0])
        audio = read_sound(source, model.sample_rate)
        if audio is None:
            raise ValueError(f"{source} holds no sound")
        return Recording(audio.samples[:, 0])
    samples = as_float32(source.audio, "audio")
    samples = samples if samples.ndim == 2 else samples[:, None]
    return Recording(convert(samples, source.sample_rate, model.sample_rate, 1)[0][:, 0])


def read_film(source: VideoSource, model: LanguageModel, quirks: Quirks) -> Film:
    """A video or a picture at the model's size, with the sound that it may have.

    Args:
      source: any file that FFmpeg reads.
      model: that is to see it.
      quirks: of the release.

    Raises:
      OSError, ValueError: see `read_video`.
    """
    interval: float | None = None
    count: int | None = None

    def choose(times: VideoTimes) -> Float[np.ndarray, " t"]:
        nonlocal interval, count
        if times.still:
            return times.times[:1]
        choice = model.frame_choice(times, quirks)
        count, interval = len(choice.times), choice.interval
        return choice.times

    def smaller(frame: UInt8[np.ndarray, "y x 3"]) -> UInt8[np.ndarray, "y x 3"]:
        return model.resized(frame, count)

    video = read_video(source, choose, smaller)
    sound = None
    if interval is not None and (audio := read_sound(source, model.sample_rate)):
        sound = Recording(audio.samples[:, 0])
    return Film(video.frames, interval, sound)


def read_any(path: str | Path, model: LanguageModel, quirks: Quirks) -> Recording | Film:
    """Sound from a file of sound, a film from one of video or a picture."""
    if _is_sound(path) or not has_video(path):
        return read_recording(path, model)
    return read_film(path, model, quirks)


def _is_sound(path: str | Path) -> bool:
    """Can libsndfile read it? Then it is not asked for pictures, such as those of an album."""
    try:
        soundfile.info(str(path))
        return True
    except soundfile.SoundFileError:
        return False
