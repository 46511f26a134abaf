"""Videos as Audio-Omni is conditioned on them: for Synchformer, and for the thinker."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from audiogen_jax.files.video import VideoTimes, read_video
from audiogen_jax.models.language_model import Film
from audiogen_jax.models.omni.resize import resize
from audiogen_jax.models.omni.synchformer import FRAME_RATE, SynchformerConfig
from audiogen_jax.models.omni.thinker.config import VisionConfig
from audiogen_jax.models.omni.thinker.pictures import smart_size
from audiogen_jax.models.omni.thinker.video import FEWEST_TOKENS, MOST_TOKENS
from audiogen_jax.models.quirks import Quirks

SEEN_RATE = 5.0
"""Frames a second that the thinker sees when it is asked for the sound of a video."""
SEEN_INTERVAL = 0.5
"""Seconds that it is told lie between them, as in its training, though they are 0.2 apart."""
SEEN_SIZE = 224
Choice: TypeAlias = Callable[[VideoTimes], Float64[np.ndarray, " t"]]


def at_rate(rate: float, seconds: float, start: float = 0.0) -> Choice:
    """Frames at equal distances in time, whatever the rate of the file; the last one stays.

    Args:
      rate: frames per second.
      seconds: that are read.
      start: seconds before them.
    """
    return lambda times: start + np.arange(round(rate * seconds)) / rate


def by_stride(rate: float, seconds: float, start: float = 0.0) -> Choice:
    """Every so many frames, as the PyTorch release reads: right for multiples of the rate.

    Args:
      rate: frames per second that are meant.
      seconds: that are meant; the last frame is repeated to fill them.
      start: seconds before them.
    """

    def choose(times: VideoTimes) -> Float64[np.ndarray, " t"]:
        count = round(rate * seconds)
        # The header's rate may be off by rounding, which must not add to the stride.
        stride = max(1, math.ceil(times.frame_rate / rate - 1e-6))
        shown = times.times[times.times >= min(start, times.times[-1])]
        read = shown[::stride][:count]
        return np.concatenate([read, np.repeat(read[-1:], count - len(read))])

    return choose


def read_sync_frames(
    path: str | Path,
    seconds: float,
    config: SynchformerConfig,
    quirks: Quirks,
    start: float = 0.0,
) -> Float32[np.ndarray, "t y x 3"]:
    """Frames for `sync_features`: squashed to a square, in [-1, 1].

    Args:
      path: of a video.
      seconds: of it that are read; a shorter one ends in its last frame.
      config: sizes of the Synchformer.
      quirks: of the PyTorch release.
      start: seconds of it before them.

    Raises:
      OSError, ValueError: see `read_video`.
    """
    choose = by_stride if quirks.frames_by_number else at_rate
    video = read_video(path, choose(FRAME_RATE, seconds, start), _squash(config.image_size))
    return sync_pixels(video.frames)


def sync_pixels(frames: UInt8[np.ndarray, "t y x 3"]) -> Float32[np.ndarray, "t y x 3"]:
    """Frames of 8 bits in [-1, 1]."""
    return (frames.astype(np.float32) / 255 - 0.5) / 0.5


def read_seen_film(
    path: str | Path, seconds: float, config: VisionConfig, quirks: Quirks, start: float = 0.0
) -> Film:
    """A video for the thinker that is asked for its sound, without the sound that it has.

    Args:
      path: of a video.
      seconds: of it that are read; a shorter one ends in its last frame.
      config: sizes of the thinker's vision tower.
      quirks: of the PyTorch release.
      start: seconds of it before them.

    Raises:
      OSError, ValueError: see `read_video`.
    """
    choose = by_stride if quirks.frames_by_number else at_rate
    video = read_video(path, choose(SEEN_RATE, seconds, start), _squash(SEEN_SIZE))
    pixels = (tokens * config.token_size**2 for tokens in (FEWEST_TOKENS, MOST_TOKENS))
    height, width = smart_size(SEEN_SIZE, SEEN_SIZE, config.token_size, *pixels)
    return Film(resize(video.frames, height, width), SEEN_INTERVAL)


def _squash(size: int) -> Callable[[UInt8[np.ndarray, "y x 3"]], UInt8[np.ndarray, "y2 x2 3"]]:
    return lambda frame: resize(frame[None], size, size, "bilinear", roundings=1)[0]
