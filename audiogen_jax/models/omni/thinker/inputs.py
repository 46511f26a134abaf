"""Prompts of text, sound and pictures as arrays: token ids, three positions a token, features.

Source: https://arxiv.org/abs/2503.20215, section 2.2 (TMRoPE). In numpy.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int

from audiogen_jax.models.omni.thinker.audio import audio_tokens
from audiogen_jax.models.omni.thinker.config import ThinkerConfig
from audiogen_jax.models.omni.thinker.pictures import Patches, window_order
from audiogen_jax.types import Tokens


class AudioRows(NamedTuple):
    """Chunks of all sounds, for the audio tower.

    Attributes:
      mel: frames of every chunk.
      lengths: of each, in frames.
    """

    mel: Float[Array | np.ndarray, "c n f"]
    lengths: Int[Array | np.ndarray, " c"]


class VisionRows(NamedTuple):
    """Pairs of frames of one size, for the vision tower; see `VisionTower`."""

    patches: Float[Array | np.ndarray, "s p v"]
    places: Int[Array | np.ndarray, "p 2"]
    mask: Bool[Array | np.ndarray, " p"]


class ThinkerInputs(NamedTuple):
    """A batch of prompts.

    Attributes:
      ids: of tokens; padding stands at the end.
      mask: True at tokens.
      positions: of every token in time, height and width.
      features: which of the towers' tokens stands here, those of `audio` first; -1 for none.
      audio: sounds of all prompts.
      vision: pictures of all prompts, by their size.
    """

    ids: Int[Array | np.ndarray, "b l"]
    mask: Bool[Array | np.ndarray, "b l"]
    positions: Int[Array | np.ndarray, "3 b l"]
    features: Int[Array | np.ndarray, "b l"]
    audio: AudioRows | None = None
    vision: tuple[VisionRows, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Sound:
    """Sound in a prompt.

    Attributes:
      mel: from `log_mel`.
    """

    mel: Float32[np.ndarray, "n f"]


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """A picture or a video in a prompt.

    Attributes:
      patches: from `patches`.
      seconds: that a pair of frames lasts; None for a picture.
      sound: of the video.
    """

    patches: Patches
    seconds: float | None = None
    sound: Sound | None = None


Part: TypeAlias = Sequence[int] | Sound | Pictures
"""What stands in a prompt: ids of text, or media, which bring the tokens around them."""


def thinker_inputs(
    config: ThinkerConfig, prompts: Sequence[Sequence[Part]], length: int = 0
) -> ThinkerInputs:
    """Builds a batch.

    Args:
      config: sizes and special tokens.
      prompts: parts of each, in their order.
      length: fewest tokens to pad to.

    Raises:
      ValueError: a sound is too short for a token.
    """
    parts = list(itertools.chain.from_iterable(prompts))
    pictures = [part for part in parts if isinstance(part, Pictures)]
    sounds = [part for part in parts if isinstance(part, Sound)]
    sounds += [part.sound for part in pictures if part.sound is not None]
    audio, places = _audio_rows(config, list(dict.fromkeys(sounds)))
    first = 0 if audio is None else len(audio.lengths) * config.audio.chunk_tokens
    vision, seen = _vision_rows(config, list(dict.fromkeys(pictures)), first)
    rows = [_Row(config, places | seen, prompt).arrays() for prompt in prompts]
    length = max(length, *(row.shape[1] for row in rows))
    filled = np.zeros((5, len(rows), length), np.int32)
    filled[0] = config.pad_token_id
    filled[4] = -1
    mask = np.zeros(filled.shape[1:], bool)
    for i, row in enumerate(rows):
        filled[:, i, : row.shape[1]], mask[i, : row.shape[1]] = row, True
    return ThinkerInputs(filled[0], mask, filled[1:4], filled[4], audio, vision)


def part_length(config: ThinkerConfig, part: Part) -> int:
    """Tokens of a part, those around media among them."""
    if isinstance(part, Sound):
        return audio_tokens(len(part.mel)) + 2
    if isinstance(part, Pictures):
        seen = len(part.patches.values) // config.vision.spatial_merge_size**2 + 2
        return seen + (part_length(config, part.sound) if part.sound is not None else 0)
    return len(part)


def of_text(tokens: Tokens) -> ThinkerInputs:
    """Prompts of text alone, padded on either side; traceable."""
    ids, mask = jnp.asarray(tokens.ids), jnp.asarray(tokens.mask)
    positions = jnp.maximum(jnp.cumsum(mask, axis=1) - 1, 0)
    return ThinkerInputs(ids, mask, jnp.stack([positions] * 3), jnp.full_like(ids, -1))


def _audio_rows(
    config: ThinkerConfig, sounds: Sequence[Sound]
) -> tuple[AudioRows | None, dict[object, np.ndarray]]:
    """Chunks, and of every sound which of their tokens it has."""
    size, tokens = config.audio.chunk_frames, config.audio.chunk_tokens
    mel, lengths, places = [], [], {}
    for sound in sounds:
        count = audio_tokens(len(sound.mel))
        if not count:
            raise ValueError(
                f"a sound of {len(sound.mel)} mel frames of 10 ms: expected at least 3"
            )
        places[sound] = len(mel) * tokens + np.arange(count)
        for start in range(0, len(sound.mel), size):
            chunk = sound.mel[start : start + size]
            mel.append(np.pad(chunk, ((0, size - len(chunk)), (0, 0))))
            lengths.append(len(chunk))
    if not mel:
        return None, places
    return AudioRows(np.stack(mel), np.array(lengths, np.int32)), places


def _vision_rows(
    config: ThinkerConfig, clips: Sequence[Pictures], first: int
) -> tuple[tuple[VisionRows, ...], dict[object, np.ndarray]]:
    """Pairs by their size, and of every clip which tokens of the towers it has, [pairs tokens]."""
    groups: dict[tuple[int, int], list[Pictures]] = {}
    for clip in clips:
        groups.setdefault((clip.patches.height, clip.patches.width), []).append(clip)
    rows, places = [], {}
    for (height, width), members in groups.items():
        order = window_order(height, width, config.vision)
        tokens = len(order.mask) // config.vision.spatial_merge_size**2
        patches = []
        for clip in members:
            pairs = clip.patches.pairs
            places[clip] = first + np.arange(pairs)[:, None] * tokens + order.slots
            first += pairs * tokens
            values = clip.patches.values.reshape(pairs, height * width, -1)
            patches.append(np.where(order.mask[:, None], values[:, order.source], 0))
        rows.append(VisionRows(np.concatenate(patches), order.places, order.mask))
    return tuple(rows), places


class _Row:
    """One prompt being put together: ids, three positions and a feature for each token."""

    def __init__(
        self, config: ThinkerConfig, places: Mapping[object, np.ndarray], parts: Sequence[Part]
    ):
        self._config, self._places = config, places
        self._pieces: list[np.ndarray] = []
        self._next = 0
        for part in parts:
            if isinstance(part, Sound):
                self._add_sound(part)
            elif isinstance(part, Pictures):
                self._add_pictures(part)
            else:
                self._add_text(part)

    def arrays(self) -> Int[np.ndarray, "5 l"]:
        return np.concatenate(self._pieces, axis=1)

    def _put(
        self, ids: Sequence[int] | np.ndarray, positions: np.ndarray, features: np.ndarray | int
    ) -> None:
        """Positions are [3 n], or [n] where all three are the same."""
        piece = np.empty((5, len(ids)), np.int32)
        piece[0], piece[1:4], piece[4] = ids, positions, features
        self._pieces.append(piece)

    def _add_text(self, ids: Sequence[int]) -> None:
        self._put(ids, self._next + np.arange(len(ids)), -1)
        self._next += len(ids)

    def _add_sound(self, sound: Sound) -> None:
        c, features = self._config, self._places[sound]
        self._add_text([c.audio_start_token_id])
        ids = np.full(len(features), c.audio_token_index)
        self._put(ids, self._next + np.arange(len(ids)), features)
        self._next += len(ids)
        self._add_text([c.audio_end_token_id])

    def _add_pictures(self, clip: Pictures) -> None:
        c = self._config
        if clip.sound is not None:
            self._add_video_with_sound(clip, clip.sound)
            return
        self._add_text([c.vision_start_token_id])
        index = c.image_token_index if clip.seconds is None else c.video_token_index
        positions = self._next + self._video_positions(clip)
        self._put(np.full(positions.shape[1], index), positions, self._places[clip].reshape(-1))
        self._next = int(positions.max()) + 1
        self._add_text([c.vision_end_token_id])

    def _video_positions(self, clip: Pictures) -> Int[np.ndarray, "3 n"]:
        """Of a clip that starts at 0; pairs of frames are as far apart as their seconds."""
        merge = self._config.vision.spatial_merge_size
        rows, columns = clip.patches.height // merge, clip.patches.width // merge
        pair, row, column = np.indices((clip.patches.pairs, rows, columns)).reshape(3, -1)
        # In float32, whose rounding decides the position on the edge of a step.
        step, rate = np.float32(clip.seconds or 0), np.float32(self._config.position_id_per_seconds)
        return np.stack([(pair.astype(np.float32) * step * rate).astype(int), row, column])

    def _add_video_with_sound(self, clip: Pictures, sound: Sound) -> None:
        """Video and sound both start at the next position; 2 s of one follow 2 s of the other."""
        c = self._config
        self._put([c.vision_start_token_id, c.audio_start_token_id], np.full(2, self._next), -1)
        self._next += 1
        video, pictures = self._video_positions(clip), self._places[clip].reshape(-1)
        heard = self._places[sound]
        size = c.position_id_per_seconds * c.seconds_per_chunk
        chunk_of_video, chunk_of_sound = video[0] // size, np.arange(len(heard)) // size
        closing = self._next
        for chunk in range(max(chunk_of_video.max(), chunk_of_sound.max()) + 1):
            here, there = chunk_of_video == chunk, np.flatnonzero(chunk_of_sound == chunk)
            for index, positions, features in (
                (c.video_token_index, video[:, here], pictures[here]),
                (c.audio_token_index, there, heard[there]),
            ):
                if len(features):
                    positions = self._next + positions
                    self._put(np.full(len(features), index), positions, features)
                    # As the release has it: after what came last, even where that is not the most.
                    closing = int(positions.max()) + 1
        self._put([c.audio_end_token_id, c.vision_end_token_id], np.full(2, closing), -1)
        self._next = closing + 1
