"""Frames at other sizes, rounded as often as the releases round. In numpy and Pillow."""

from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

_KERNELS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resize(
    frames: UInt8[np.ndarray, "t y x 3"],
    height: int,
    width: int,
    kernel: Literal["bilinear", "bicubic"] = "bicubic",
    roundings: Literal[1, 2] = 2,
) -> UInt8[np.ndarray, "t {height} {width} 3"]:
    """Resamples with a kernel that is widened where the picture shrinks (antialias).

    Args:
      frames: 8 bits a channel.
      height: of the result, pixels.
      width: of the result, pixels.
      kernel: triangle, or cubic with a = -1/2.
      roundings: 2 to whole numbers after the rows too, before the columns; 1 at the end alone.
    """
    if frames.shape[1:3] == (height, width):
        return frames
    resized = np.empty((len(frames), height, width, 3), np.uint8)
    for i, frame in enumerate(frames):
        if roundings == 2:
            picture = Image.fromarray(frame).resize((width, height), _KERNELS[kernel])
            resized[i] = np.asarray(picture)
            continue
        for channel in range(3):
            plane = Image.fromarray(frame[..., channel].astype(np.float32))
            plane = np.asarray(plane.resize((width, height), _KERNELS[kernel]))
            resized[i, ..., channel] = np.rint(plane).clip(0, 255)
    return resized
