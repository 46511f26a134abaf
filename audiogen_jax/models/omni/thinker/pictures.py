"""Pictures and frames of videos as the vision tower reads them: sizes, resizing, patches.

Source: https://arxiv.org/abs/2409.12191, section 2.1. In numpy.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from audiogen_jax.models.omni.thinker.config import VisionConfig

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
"""Of the pictures that CLIP was trained on, in units of full scale."""
MOST_RATIO = 200
"""Longest side over shortest."""


def smart_size(height: int, width: int, factor: int, fewest: int, most: int) -> tuple[int, int]:
    """The size to resize to: multiples of `factor`, the aspect kept as far as they allow.

    Args:
      height: of the picture, pixels.
      width: of the picture, pixels.
      factor: pixels of a token on each side.
      fewest: pixels of the result in all.
      most: pixels of the result in all.

    Raises:
      ValueError: one side is more than 200 times the other.
    """
    if max(height, width) > MOST_RATIO * min(height, width):
        raise ValueError(
            f"a picture of {width} x {height} pixels: expected sides of a ratio up to {MOST_RATIO}"
        )
    rows, columns = (max(1, round(side / factor)) for side in (height, width))  # half to even
    if rows * columns * factor**2 > most:
        scale = math.sqrt(height * width / most)
        rows, columns = (max(1, math.floor(side / scale / factor)) for side in (height, width))
    elif rows * columns * factor**2 < fewest:
        scale = math.sqrt(fewest / (height * width))
        rows, columns = (math.ceil(side * scale / factor) for side in (height, width))
    return rows * factor, columns * factor


class Patches(NamedTuple):
    """A clip or a picture as the vision tower reads it.

    Attributes:
      values: float32 [n v]; pair of frames by pair, token by token, the patches of one token after
        another, each channel by channel, frame by frame, row by row.
      pairs: of frames.
      height: patches.
      width: patches.
    """

    values: Float32[np.ndarray, "n v"]
    pairs: int
    height: int
    width: int


def patches(frames: UInt8[np.ndarray, "t y x 3"], config: VisionConfig) -> Patches:
    """Cuts frames up.

    Args:
      frames: of a size from `smart_size`; the last is repeated until they fill pairs.
      config: sizes.

    Raises:
      ValueError: the sides are no multiples of a token's.
    """
    t, y, x, _ = frames.shape
    size, merge, pair = config.patch_size, config.spatial_merge_size, config.temporal_patch_size
    if y % config.token_size or x % config.token_size or not t:
        raise ValueError(
            f"{t} frames of {x} x {y} pixels: expected sides that are multiples of "
            f"{config.token_size}"
        )
    frames = np.concatenate([frames, np.repeat(frames[-1:], -t % pair, axis=0)])
    scaled = (frames.astype(np.float32) - 255 * MEAN) / (255 * STD)
    rows, columns = y // config.token_size, x // config.token_size
    grid = scaled.reshape(-1, pair, rows, merge, size, columns, merge, size, 3)
    values = grid.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7).reshape(-1, config.patch_values)
    return Patches(values, len(frames) // pair, y // size, x // size)


class WindowOrder(NamedTuple):
    """How a picture's patches come window by window.

    Attributes:
      source: of every slot, the patch in the order of `Patches`; -1 past the edge of the picture.
      places: row and column of the patch.
      mask: is there one?
      slots: of every token, row by row, where it stands among the tower's tokens.
    """

    source: Int[np.ndarray, " p"]
    places: Int[np.ndarray, "p 2"]
    mask: Bool[np.ndarray, " p"]
    slots: Int[np.ndarray, " n"]


def window_order(height: int, width: int, config: VisionConfig) -> WindowOrder:
    """The order in which windows lie one behind another.

    Args:
      height: patches of the picture.
      width: patches of the picture.
      config: sizes.
    """
    merge, window = config.spatial_merge_size, config.window_tokens
    rows, columns = height // merge, width // merge
    row, column = np.divmod(np.arange(rows * columns), columns)
    across = -(-columns // window)
    slots = ((row // window) * across + column // window) * window**2
    slots += (row % window) * window + column % window
    count = -(-rows // window) * across * window**2
    source = np.full((count, merge**2), -1, np.int32)
    source[slots] = np.arange(rows * columns * merge**2).reshape(-1, merge**2)
    inner_row, inner_column = np.divmod(np.arange(merge**2), merge)
    places = np.zeros((count, merge**2, 2), np.int32)
    places[slots, :, 0] = row[:, None] * merge + inner_row
    places[slots, :, 1] = column[:, None] * merge + inner_column
    source = source.reshape(-1)
    return WindowOrder(source, places.reshape(-1, 2), source >= 0, slots.astype(np.int32))
