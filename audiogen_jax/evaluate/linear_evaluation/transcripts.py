"""Clips with their transcripts as batches of few shapes."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from audiogen_jax.evaluate.linear_evaluation.examples import Examples
from audiogen_jax.infer.buckets import bucket
from audiogen_jax.models.language_model import TextReader

SEPARATOR, END = "<|vision_end|>", "<|endoftext|>"
"""Tokens between frames and transcript, and behind it."""
_FRAMES, _TOKENS = 64, 16
"""Smallest shapes."""


class Spoken(NamedTuple):
    """A batch.

    Attributes:
      frames: of clips; what stands behind those that count is not read.
      lengths: frames of each clip, at least 1.
      ids: separator, transcript and end of each.
      counts: of these tokens; 0 in rows that fill the batch.
    """

    frames: Float[Array, "b t d"]
    lengths: Int[Array, " b"]
    ids: Int[Array, "b l"]
    counts: Int[Array, " b"]


class Transcripts:
    """Frames and transcripts of the clips of a task."""

    def __init__(self, examples: Examples, reader: TextReader):
        """Reads the transcripts; frames are read batch by batch.

        Args:
          examples: with a transcript each, and their frames stored.
          reader: of the language model.

        Raises:
          ValueError: a transcript without words, or a tokenizer without the tokens that part them.
        """
        self._examples = examples
        self.separator, self.end = reader.special(SEPARATOR), reader.special(END)
        self.texts = [text for (text,) in examples.captions]
        if silent := [
            k for k, text in zip(examples.keys, self.texts, strict=True) if not text.strip()
        ]:
            raise ValueError(f"{len(silent)} clips have no words, {silent[0]!r} among them")
        self._ids = [[self.separator, *reader.encode(text), self.end] for text in self.texts]

    def batch(self, items: Sequence[int] | Int[np.ndarray, " n"], size: int) -> Spoken:
        """A batch of some clips.

        Args:
          items: at most `size` numbers.
          size: rows.
        """
        frames = [self._examples.stored[item].read() for item in items]
        ids = [self._ids[item] for item in items]
        longest, most = self._shape(items)
        sounds = np.zeros((size, longest, frames[0].shape[1]), np.float32)
        tokens = np.zeros((size, most), np.int32)
        lengths, counts = np.ones(size, np.int32), np.zeros(size, np.int32)
        for row, (sound, said) in enumerate(zip(frames, ids, strict=True)):
            sounds[row, : len(sound)], lengths[row] = sound, len(sound)
            tokens[row, : len(said)], counts[row] = said, len(said)
        return Spoken(*map(jnp.asarray, (sounds, lengths, tokens, counts)))

    def alike(
        self, items: Int[np.ndarray, " n"], size: int
    ) -> Iterator[tuple[Int[np.ndarray, " m"], Spoken]]:
        """Batches of clips of the same shapes, so that no clip's depends on those beside it."""
        shapes: dict[tuple[int, int], list[int]] = {}
        for item in items:
            shapes.setdefault(self._shape([item]), []).append(item)
        for _, group in sorted(shapes.items()):
            yield from self.in_order(np.array(group), size)

    def in_order(
        self, items: Int[np.ndarray, " n"], size: int
    ) -> Iterator[tuple[Int[np.ndarray, " m"], Spoken]]:
        """Batches of clips as they follow each other."""
        for start in range(0, len(items), size):
            some = items[start : start + size]
            yield some, self.batch(some, size)

    def _shape(self, items: Sequence[int] | Int[np.ndarray, " n"]) -> tuple[int, int]:
        frames = max(int(self._examples.lengths[item]) for item in items)
        tokens = max(len(self._ids[item]) for item in items)
        return bucket(frames, _FRAMES), bucket(tokens, _TOKENS)
