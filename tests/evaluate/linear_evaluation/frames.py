"""An embedder of frames that costs nothing, and clips whose classes it can tell."""

import zlib
from collections.abc import Sequence

import numpy as np

from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.linear_evaluation.clips import LabelledClip

RATE = 1000
FRAME = 40
"""Samples of a frame."""


class Levels:
    """Powers of a frame's samples: two fifths of them say how loud, the rest is noise."""

    frame_rate = RATE / FRAME
    calls = 0

    @property
    def identity(self) -> Identity:
        return Identity("levels", "00", RATE, "soxr VHQ", "last", "mean")

    def embed_frames(self, clips: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        assert sample_rate == RATE
        self.calls += 1
        cut = [clip[: len(clip) // FRAME * FRAME].reshape(-1, FRAME) for clip in clips]
        return [
            np.stack(
                [np.abs(x).mean(1), (x**2).mean(1), x[:, 0], np.abs(x).max(1), np.ones(len(x))],
                axis=1,
            ).astype(np.float32)
            for x in cut
        ]

    def embed(self, clips: Sequence[np.ndarray], sample_rate: int) -> Embeddings:
        means = [frames.mean(axis=0) for frames in self.embed_frames(clips, sample_rate)]
        return Embeddings(np.stack(means), self.identity)


def clip(
    key: str, level: float, split: int, frames: int = 10, answers: Sequence[str] = ("a",)
) -> LabelledClip:
    """Noise of a level."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    samples = (level * rng.normal(size=frames * FRAME)).astype(np.float32)
    return LabelledClip(key, samples, RATE, split, tuple(answers))


def three_folds(per_fold: int = 8) -> list[LabelledClip]:
    """Loud and quiet clips of two lengths, in folds 0 to 2."""
    return [
        clip(f"{fold}-{number}", (0.2, 1.0)[number % 2], fold, (10, 25)[number % 3 == 0],
             (("quiet", "loud")[number % 2],))
        for fold in range(3)
        for number in range(per_fold)
    ]  # fmt: skip
