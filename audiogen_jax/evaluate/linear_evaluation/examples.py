"""Clips as vectors with targets: what heads are trained on and scored by.

Two modes. "paper" follows X-ARES with its traps: clips are padded to the longest of those that are
encoded together, the frames of that padding are averaged and classified as if they were sound, and
each crop of a clip counts by itself. "strict" encodes each clip alone: no other clip and no padding
changes a score, and crops of a clip have one answer between them.
"""

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from audiogen_jax.evaluate.embedders.embedder import FrameEmbedder
from audiogen_jax.evaluate.leakage import SoundKeys, numbered_sounds, sound_keys
from audiogen_jax.evaluate.linear_evaluation.clips import LabelledClip, pieces
from audiogen_jax.evaluate.linear_evaluation.tasks import Task
from audiogen_jax.files.atomic import written_atomically

Mode = Literal["paper", "strict"]
MODES: tuple[Mode, ...] = ("paper", "strict")


class StoredFrames(NamedTuple):
    """Frames of an item on disk.

    Attributes:
      path: of the file of those that were encoded together.
      row: of the item.
    """

    path: Path
    row: int

    def read(self) -> Float32[np.ndarray, "t d"]:
        """The frames."""
        return np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[self.row])


@dataclasses.dataclass(frozen=True)
class Examples:
    """Vectors of the clips of a task, and the right answers.

    Attributes:
      vectors: the mean frame of each item, or all frames of all items; none where transcripts are
        the answers, as the frames of their hundred hours stay on disk.
      lengths: rows of each item; 1 unless frames are classified; frames where they are `stored`.
      targets: the class of each row; or 0 and 1 of each row and class.
      classes: by number.
      splits: of each item, see `LabelledClip.split`.
      clips: number of the clip that each item is of; they differ unless clips are cropped.
      captions: of each item, where these are the answers; or its transcript.
      keys: names of the clip of each item.
      sounds: number of the sound of each item, the same of clips of the same samples and of one
        recording; None: every clip has its own.
      stored: frames of each item, where transcripts are the answers.
    """

    vectors: Float32[np.ndarray, "r d"]
    lengths: Int[np.ndarray, " n"]
    targets: Int[np.ndarray, "r ..."]
    classes: tuple[str, ...]
    splits: Int[np.ndarray, " n"]
    clips: Int[np.ndarray, " n"]
    captions: tuple[tuple[str, ...], ...] = ()
    keys: tuple[str, ...] = ()
    sounds: Int[np.ndarray, " n"] | None = None
    stored: tuple[StoredFrames, ...] = ()

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def starts(self) -> Int[np.ndarray, " n"]:
        """First row of each item."""
        return np.cumsum(self.lengths) - self.lengths


class _Item(NamedTuple):
    """A crop: number of its clip, which has no samples any more, keys of its sound, its rows, how
    many they are, and where its frames are; rows of transcripts are read from there."""

    clip: int
    labelled: LabelledClip
    sound: SoundKeys
    vectors: Float32[np.ndarray, "r d"]
    length: int
    stored: StoredFrames


def embed_clips(
    task: Task,
    clips: Iterable[LabelledClip],
    embedder: FrameEmbedder,
    mode: Mode,
    cache: str | Path,
) -> Examples:
    """Embeds the clips of a task.

    Args:
      task: how they are cropped and what is asked.
      clips: of one split after the other.
      embedder: of frames.
      mode: see the module.
      cache: folder that keeps frames, by what made them and the clips they are of.

    Raises:
      ValueError: an unknown mode, no clips, one that cannot be embedded, NaN embeddings, or answers
        that do not fit the task.
    """
    if mode not in MODES:
        raise ValueError(f"mode={mode!r}: expected one of {MODES}")
    items = list(_items(task, clips, embedder, mode, Path(cache)))
    if not items:
        raise ValueError(f"{task.name}: no clips")
    if mode == "strict":  # the order of files is nothing to heads
        items.sort(key=lambda item: (item.labelled.split, item.labelled.key))
    classes = _classes(task, items)
    number = {name: index for index, name in enumerate(classes)}
    lengths = np.array([item.length for item in items])
    shape = (lengths.sum(), len(classes)) if task.binary else (lengths.sum(),)
    targets = np.zeros(shape, np.int8 if task.binary else np.int32)
    for item, end in zip(items, np.cumsum(lengths), strict=True):
        rows = slice(end - item.length, end)
        for event in item.labelled.events:
            # Frames as X-ARES counts them: both ends rounded up.
            first, last = (math.ceil(seconds * embedder.frame_rate - 1e-9) for seconds in event[:2])
            targets[rows][first:last, number[event.answer]] = 1
        if task.level == "clip" and task.binary:
            targets[rows, [number[answer] for answer in item.labelled.answers]] = 1
        elif task.level == "clip":
            targets[rows] = number[item.labelled.answers[0]]
    return Examples(
        np.concatenate([item.vectors for item in items]).astype(np.float32),
        lengths,
        targets,
        classes,
        np.array([item.labelled.split for item in items]),
        _numbered([item.clip for item in items]),
        tuple(item.labelled.answers for item in items) if task.in_words else (),
        tuple(item.labelled.key for item in items),
        numbered_sounds([item.sound for item in items]),
        tuple(item.stored for item in items) if task.level == "transcript" else (),
    )


def _items(
    task: Task,
    clips: Iterable[LabelledClip],
    embedder: FrameEmbedder,
    mode: Mode,
    cache: Path,
) -> Iterator[_Item]:
    """All crops with their frames; in paper mode encoded in padded batches of one split."""
    together = task.encode_batch if mode == "paper" else 1
    cut = (
        (number, clip, sound, piece)
        for number, clip in enumerate(clips)
        for sound in [sound_keys(clip.samples, clip.recording) or (f"clip {number}",)]
        for piece in pieces(clip.samples, _crop(task, clip), pad=mode == "paper")
    )
    for _, split in itertools.groupby(cut, key=lambda each: each[1].split):
        while batch := list(itertools.islice(split, together)):
            longest = max(len(piece) for *_, piece in batch)
            padded = [np.pad(piece, (0, longest - len(piece))) for *_, piece in batch]
            rate = batch[0][1].sample_rate
            path = cached_frames(embedder, padded, rate, cache)
            frames = np.load(path, allow_pickle=False)
            for row, ((number, clip, sound, _), each) in enumerate(zip(batch, frames, strict=True)):
                if not len(each) or not np.isfinite(each).all():
                    raise ValueError(
                        f"{task.name}: the embedding of {clip.key!r} has {len(each)} frames, NaN "
                        "or infinite values"
                    )
                silent = dataclasses.replace(clip, samples=clip.samples[:0].copy())
                stored, count = StoredFrames(path, row), len(each)
                if task.level == "transcript":
                    rows = np.zeros((0, each.shape[1]), np.float32)
                elif task.level == "frame":
                    rows = each
                else:
                    rows, count = _mean(each), 1
                yield _Item(number, silent, sound, rows, count, stored)


def cached_frames(
    embedder: FrameEmbedder,
    clips: Sequence[Float32[np.ndarray, " n"]],
    sample_rate: int,
    folder: Path,
) -> Path:
    """A file with `embed_frames` of clips of one length, float32 [b t d], made once per folder.

    The file is named by a hash of the embedder's identity and of all that was encoded together.

    Raises:
      OSError: the folder cannot be written.
    """
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(embedder.identity)).encode())
    digest.update(f"{sample_rate} {len(clips)}".encode())
    for clip in clips:
        digest.update(np.ascontiguousarray(clip, np.float32).tobytes())
    path = folder / f"frames-{digest.hexdigest()[:32]}.npy"
    if not path.is_file():
        frames = embedder.embed_frames(clips, sample_rate)
        with written_atomically(path) as temporary:
            np.save(temporary, np.stack([np.asarray(each, np.float32) for each in frames]))
    return path


def _crop(task: Task, clip: LabelledClip) -> int | None:
    return None if task.crop is None else int(task.crop * clip.sample_rate)


def _numbered(clips: Sequence[int]) -> Int[np.ndarray, " n"]:
    """Numbers from 0 in the order of items."""
    order = {clip: number for number, clip in enumerate(dict.fromkeys(clips))}
    return np.array([order[clip] for clip in clips])


def _mean(frames: Float32[np.ndarray, "t d"]) -> Float32[np.ndarray, "1 d"]:
    return frames.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)


def _classes(task: Task, items: Sequence[_Item]) -> tuple[str, ...]:
    """All answers in the data, in order.

    Raises:
      ValueError: fewer than two, more than the task has, or a clip with as many as it may not have.
    """
    if task.in_words:
        return ()
    names = set()
    for item in items:
        clip = item.labelled
        if not task.binary and len(clip.answers) != 1:
            raise ValueError(f"{task.name}: {clip.key!r} has the answers {clip.answers}, not one")
        names |= {*clip.answers, *(event.answer for event in clip.events)}
    if len(names) < (1 if task.binary else 2) or 0 < task.classes < len(names):
        raise ValueError(
            f"{task.name}: the data have {len(names)} classes, the task {task.classes or 'some'}"
        )
    return tuple(sorted(names))
