"""Which frames of a video the thinker looks at when it is asked, and at what size.

As its authors sample (https://arxiv.org/abs/2502.13923, section 2.1): two frames a second, fewer of
long videos, and smaller ones of very long videos.
"""

import numpy as np

from audiogen_jax.files.video import VideoTimes
from audiogen_jax.models.language_model import FrameChoice
from audiogen_jax.models.omni.thinker.config import VisionConfig
from audiogen_jax.models.omni.thinker.pictures import smart_size

FRAME_RATE = 2.0
FEWEST_FRAMES, MOST_FRAMES = 4, 768
FEWEST_TOKENS, MOST_TOKENS = 128, 768
"""Of a frame of a video."""
VIDEO_TOKENS = 0.9 * 128_000
"""Of all frames of a video."""
PICTURE_TOKENS = 4, 16384


def frame_choice(
    source: VideoTimes, pair: int, by_number: bool = False, always_one_second: bool = False
) -> FrameChoice:
    """Frames at equal distances from the first to the last.

    Args:
      source: when the frames of the file are shown.
      pair: frames that are looked at together: their number is a multiple of it, unless there is
        one frame alone.
      by_number: at equal distances of their numbers and not of their times.
      always_one_second: a pair of frames is said to last a second, however long it does.
    """
    available = len(source.times)
    seconds = source.duration
    if by_number:
        seconds = available / source.frame_rate
    count = min(max(seconds * FRAME_RATE, FEWEST_FRAMES), MOST_FRAMES, available)
    count = max(1, int(count // pair * pair) or int(count))
    if by_number:
        times = source.times[np.rint(np.linspace(0, available - 1, count)).astype(int)]
    else:
        times = np.linspace(0, source.times[-1], count)
    return FrameChoice(times, 1.0 / pair if always_one_second else seconds / count)


def frame_size(
    height: int, width: int, frames: int | None, config: VisionConfig
) -> tuple[int, int]:
    """The size that frames are resized to.

    Args:
      height: of the frames, pixels.
      width: of the frames, pixels.
      frames: how many there are; None for a picture.
      config: sizes.

    Raises:
      ValueError: one side is more than 200 times the other.
    """
    factor = config.token_size
    fewest, most = PICTURE_TOKENS
    pixels = most * factor**2
    if frames is not None:
        fewest = FEWEST_TOKENS
        each = VIDEO_TOKENS / frames * config.temporal_patch_size
        pixels = max(min(MOST_TOKENS, each) * factor**2, int(fewest * factor**2 * 1.05))
    return smart_size(height, width, factor, fewest * factor**2, int(pixels))
