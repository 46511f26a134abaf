"""Time-aligned content: every token held for its duration, and what that does to the context."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.types import FrameMask, TokenMask


def alignment_path(
    durations: Float[Array, "b l"], token_mask: TokenMask, frame_mask: FrameMask
) -> Float[Array, "b l t"]:
    """1 where a token sounds in a frame: cumsum[l - 1] <= t < cumsum[l] (Kim et al. 2020).

    Args:
      durations: latent frames of every token, whole numbers.
      token_mask: True at tokens.
      frame_mask: True at valid frames.
    """
    ends = jnp.cumsum(durations, axis=1)[:, :, None]
    starts = ends - durations[:, :, None]
    frames = jnp.arange(frame_mask.shape[1])
    sounds = (starts <= frames) & (frames < ends)
    sounds = sounds & token_mask[:, :, None] & frame_mask[:, None, :]
    return sounds.astype(jnp.float32)


def expand_by_duration(
    content: Float[Array, "b l d"],
    durations: Float[Array, "b l"],
    token_mask: TokenMask,
    frame_mask: FrameMask,
) -> Float[Array, "b t d"]:
    """Repeats every token for its duration; zeros past the end of the last one.

    Args:
      content: one vector per token.
      durations: latent frames of every token, whole numbers.
      token_mask: True at tokens.
      frame_mask: True at valid frames; the others are zero.
    """
    path = alignment_path(durations, token_mask, frame_mask)
    valid = jnp.where(token_mask[:, :, None], content, 0)
    return jnp.einsum("blt,bld->btd", path, valid)


def sounding_content(
    content: Float[Array, "b l d"],
    spans: Float[Array, "b l 2"],
    token_mask: TokenMask,
    stand_in: Float[Array, "b _ d"],
    frames: int,
) -> Float[Array, "b t d"]:
    """The mean of the tokens that sound in each frame.

    Args:
      content: one vector per token.
      spans: first and last moment of each token, in frames; equal where none is known.
      token_mask: True at tokens.
      stand_in: content of frames in which no token sounds.
      frames: t.
    """
    start, end = spans[:, :, :1], spans[:, :, 1:]
    frame = jnp.arange(frames)
    sounds = (start < frame + 1) & (end > frame) & (start < end) & token_mask[:, :, None]
    weights = sounds / jnp.maximum(sounds.sum(axis=1, keepdims=True), 1)
    mean = jnp.einsum("blt,bld->btd", weights.astype(content.dtype), content)
    return jnp.where(sounds.any(axis=1)[:, :, None], mean, stand_in)


def align_context(
    content: Float[Array, "b l d"],
    token_mask: TokenMask,
    expanded: Float[Array, "b t d"],
    is_time_aligned: Bool[Array, " b"],
    no_context: Float[Array, " d"],
    no_time_aligned: Float[Array, " d"],
) -> tuple[Float[Array, "b l d"], TokenMask, Float[Array, "b t d"]]:
    """Sends the content of every clip one of two ways: to cross-attention, or frame by frame.

    Args:
      content: one vector per token.
      token_mask: True at tokens.
      expanded: the content of every frame.
      is_time_aligned: True at clips whose content goes frame by frame.
      no_context: context of those, as one token.
      no_time_aligned: time-aligned content of the others, at every frame.

    Returns:
      context, context_mask, time-aligned content.
    """
    aligned = is_time_aligned[:, None, None]
    first = jnp.arange(content.shape[1]) == 0
    return (
        jnp.where(aligned, no_context, content),
        jnp.where(aligned[:, :, 0], first, token_mask),
        jnp.where(aligned, expanded, no_time_aligned),
    )


def local_latent_lengths(
    log_duration: Float[Array | np.ndarray, "b l"],
    token_mask: Bool[Array | np.ndarray, "b l"],
    config: AudioGenConfig,
) -> Float[np.ndarray, "b l"]:
    """Latent frames of every token: ceil(exp(p)) - duration_offset frames of 5 ms, then rounded.

    Args:
      log_duration: ln(frames + duration_offset).
      token_mask: True at tokens; padding gives -0.
      config: the configuration.

    Returns:
      Whole numbers as float32.
    """
    expanded = np.exp(np.asarray(log_duration, np.float32)) * np.asarray(token_mask, np.float32)
    frames = np.ceil(expanded) - np.float32(config.duration_offset)
    seconds = frames * np.float32(config.frame_resolution)
    return np.rint(seconds * np.float32(config.latent_rate))
