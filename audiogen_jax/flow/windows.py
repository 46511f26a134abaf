"""Clips longer than the model was trained for: overlapping windows blended in the latent."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from audiogen_jax.types import FrameMask, Latents, VelocityFn

FADE = 0.2
"""Share of a window in which two scenes fade into one another, half of it on each side."""


class Windows(NamedTuple):
    """Where some clips are looked at, each window under a prompt of the clip.

    Attributes:
      starts: first frames.
      weights: share of a window in its frames, 0 at those that it does not see.
      prompts: number of the prompt.
      count: windows of a clip; those after them stand for nothing.
    """

    starts: Int[Array | np.ndarray, "b w"]
    weights: Float[Array | np.ndarray, "b w window"]
    prompts: Int[Array | np.ndarray, "b w"]
    count: Int[Array | np.ndarray, " b"]


def window_starts(length: int, window: int) -> Int[np.ndarray, " w"]:
    """First frames of windows that cover a clip, each overlapping the next by at least half.

    Args:
      length: latent frames of the clip.
      window: latent frames of a window, below `length`.
    """
    hop = window // 2
    count = -(-(length - window) // hop) + 1
    return np.rint(np.linspace(0, length - window, count)).astype(np.int32)


def in_windows(
    velocity_of: Callable[[FrameMask], VelocityFn], mask: FrameMask, window: int
) -> VelocityFn:
    """The velocity of a whole clip from velocities of windows of it.

    At every step each window's velocity is found by itself and frames in several windows take
    their mean, weighted by the distance to the window's edge, so that all windows grow into one
    another from the first step on (MultiDiffusion, Bar-Tal et al. 2023, equation 5).

    Args:
      velocity_of: validity of frames -> velocity of that many frames.
      mask: True at the valid frames of every clip.
      window: latent frames of a window. Clips that fit in one are left to `velocity_of`.
    """
    length = mask.shape[1]
    if length <= window:
        return velocity_of(mask)
    starts, ramps = _ramps(length, window)
    weights = np.zeros((len(starts), length), np.float32)
    for row, start, ramp in zip(weights, starts, ramps, strict=True):
        row[start : start + window] = ramp

    def velocity(x: Latents, level: PyTree) -> Latents:
        def add(total: Latents, xs: tuple) -> tuple[Latents, None]:
            start, weight = xs
            inside = jax.lax.dynamic_slice_in_dim(x, start, window, axis=1)
            valid = jax.lax.dynamic_slice_in_dim(mask, start, window, axis=1)
            predicted = velocity_of(valid)(inside, level).astype(jnp.float32)
            # Beside the window its weight is 0: what stands there does not matter.
            padded = jax.lax.dynamic_update_slice_in_dim(jnp.zeros_like(total), predicted, start, 1)
            return total + weight[:, None] * padded, None

        per_window = (jnp.asarray(starts), jnp.asarray(weights))
        return jax.lax.scan(add, jnp.zeros_like(x, jnp.float32), per_window)[0]

    return velocity


def scene_windows(edges: Sequence[int], window: int, length: int) -> tuple[Windows, np.ndarray]:
    """Windows of a clip of scenes: none looks beyond its scene, but for a fade into the next.

    So each window is what a model knows from its training, a clip with its caption, and is blended
    with its neighbours at every step.

    Args:
      edges: latent frames at which scenes begin, from 0, and the end of the last one.
      window: latent frames of a window, at most `length`.
      length: frames to sample.

    Returns:
      Windows of one clip, whose prompts are the numbers of the scenes; and the first and last frame
      that each sees, int [w 2].
    """
    lengths = np.diff(edges).tolist()
    fades = [min(round(FADE * window), *pair) // 2 for pair in itertools.pairwise(lengths)]
    starts: list[int] = []
    weights: list[np.ndarray] = []
    scenes: list[int] = []
    seen: list[tuple[int, int]] = []
    rows = zip(itertools.pairwise(edges), [0, *fades], [*fades, 0], strict=True)
    for scene, ((first, last), before, after) in enumerate(rows):
        begin, size = first - before, last - first + before + after
        offsets, ramps = _ramps(size, min(window, size))
        envelope = np.ones(size)
        envelope[: 2 * before] = (np.arange(2 * before) + 0.5) / max(2 * before, 1)
        envelope[size - 2 * after :] *= 1 - (np.arange(2 * after) + 0.5) / max(2 * after, 1)
        for offset, ramp in zip(offsets, ramps, strict=True):
            start = min(begin + offset, length - window)
            weight = np.zeros(window)
            inside = slice(begin + offset - start, begin + offset - start + len(ramp))
            weight[inside] = ramp * envelope[offset : offset + len(ramp)]
            starts.append(start)
            weights.append(weight)
            scenes.append(scene)
            seen.append((begin + offset, begin + offset + len(ramp)))
    windows = Windows(
        np.array([starts], np.int32),
        np.array([weights], np.float32),
        np.array([scenes], np.int32),
        np.array([len(starts)], np.int32),
    )
    return windows, np.array(seen)


def _ramps(length: int, window: int) -> tuple[list[int], list[np.ndarray]]:
    """First frames of windows over so many frames, and their shares, of one in all."""
    offsets = [0] if length <= window else window_starts(length, window).tolist()
    ramp = np.minimum(np.arange(window), np.arange(window)[::-1]) + 1.0
    total = np.zeros(length)
    for offset in offsets:
        total[offset : offset + window] += ramp
    return offsets, [ramp / total[offset : offset + window] for offset in offsets]


def stack_windows(clips: Sequence[Windows]) -> Windows:
    """Windows of several clips; of few numbers, so that few programs are compiled."""
    most = max(clip.starts.shape[1] for clip in clips)
    size = 1 << (most - 1).bit_length()

    def filled(leaf: np.ndarray) -> np.ndarray:
        if leaf.ndim == 1:
            return leaf
        return np.pad(leaf, [(0, 0), (0, size - leaf.shape[1]), *[(0, 0)] * (leaf.ndim - 2)])

    columns = zip(*clips, strict=True)
    return Windows(*(np.concatenate([filled(leaf) for leaf in column]) for column in columns))


def in_given_windows(
    velocity_of: Callable[[Int[Array, " b"], Int[Array, " b"], FrameMask], VelocityFn],
    windows: Windows,
) -> VelocityFn:
    """`in_windows` with windows of each clip's own.

    Args:
      velocity_of: (first frame, number of the prompt, validity of frames) of a window of each row
        -> velocity of those frames.
      windows: of the clips; rows are these clips, once for each condition of guidance.
    """
    size = windows.weights.shape[-1]

    def velocity(x: Latents, level: PyTree) -> Latents:
        copies = len(x) // len(windows.starts)
        rows = jax.tree.map(lambda leaf: jnp.concatenate([jnp.asarray(leaf)] * copies), windows)

        def add(number: Int[Array, ""], total: Latents) -> Latents:
            start, weight, prompt = (
                jax.lax.dynamic_index_in_dim(leaf, number, axis=1, keepdims=False)
                for leaf in (rows.starts, rows.weights, rows.prompts)
            )
            inside = jax.vmap(lambda row, first: _cut(row, first, size))(x, start)
            seen: Bool[Array, "b window"] = weight > 0
            valid = seen | ~seen.any(axis=1, keepdims=True)  # a clip has no more windows
            predicted = velocity_of(start, prompt, valid)(inside, level).astype(jnp.float32)
            share = jnp.where(seen[:, :, None], weight[:, :, None] * predicted, 0)
            return jax.vmap(_add)(total, share, start)

        return jax.lax.fori_loop(0, windows.count.max(), add, jnp.zeros_like(x, jnp.float32))

    return velocity


def _cut(row: Float[Array, "t c"], first: Int[Array, ""], size: int) -> Float[Array, "window c"]:
    return jax.lax.dynamic_slice_in_dim(row, first, size)


def _add(
    row: Float[Array, "t c"], part: Float[Array, "window c"], first: Int[Array, ""]
) -> Float[Array, "t c"]:
    return jax.lax.dynamic_update_slice_in_dim(row, _cut(row, first, len(part)) + part, first, 0)
