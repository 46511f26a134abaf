"""Single recordings in the roles that they can have in a scene, drawn with balance."""

import bisect
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from audiogen_jax.input.manifest import AudioRecord

ROLES = ("speech", "sfx", "music", "env")
"""Each is the name of a view. In this order the first one present is the loudest of a scene."""
WORD_SECONDS = 1.3
"""Shorter speech counts as a word, and may be followed by others of the same speaker."""


class _Label(NamedTuple):
    """The clips that show the same thing, shortest first."""

    durations: Sequence[float]
    clips: Sequence[AudioRecord]


class _Pool(NamedTuple):
    """The clips of a role in a manifest, by label, those with the shortest clip first."""

    weight: float
    shortest: Sequence[float]
    labels: Sequence[_Label]


class SceneLibrary:
    """Clips of manifests by role, label and speaker.

    The role of a clip is the first of `ROLES` among its views; speech without a transcript has
    none. A clip without a label is one of its own.

    Args:
      sets: the clips of each manifest, and its weight among those that have clips of a role.

    Raises:
      ValueError: a clip of an unknown role is asked for; see `draw`.
    """

    def __init__(self, sets: Iterable[tuple[Sequence[AudioRecord], float]]):
        self._pools: dict[str, list[_Pool]] = {role: [] for role in ROLES}
        self._words: dict[str, list[AudioRecord]] = defaultdict(list)
        for clips, weight in sets:
            by_role: dict[str, dict[str, list[AudioRecord]]] = defaultdict(dict)
            for clip in clips:
                if role := role_of(clip):
                    by_role[role].setdefault(clip.label or clip.audio_id, []).append(clip)
                    if role == "speech" and is_word(clip):
                        self._words[str(clip.speaker)].append(clip)
            for role, labels in by_role.items():
                self._pools[role].append(_pool(labels.values(), weight))

    def __len__(self) -> int:
        """Clips that have a role."""
        labels = (
            label for pools in self._pools.values() for pool in pools for label in pool.labels
        )
        return sum(len(label.clips) for label in labels)

    def roles(self, longest_speech: float = math.inf) -> tuple[str, ...]:
        """The roles that have clips, speech only if some is short enough."""
        limit = {"speech": longest_speech}
        return tuple(
            role
            for role, pools in self._pools.items()
            if any(pool.shortest[0] <= limit.get(role, math.inf) for pool in pools)
        )

    def shortest(self, role: str) -> float:
        """Seconds of the shortest clip of a role that has some."""
        return min(pool.shortest[0] for pool in self._pools[role])

    def draw(self, role: str, rng: np.random.Generator, longest: float = math.inf) -> AudioRecord:
        """A clip of a role: a manifest by weight, then a label, then a clip, each as likely.

        Args:
          role: one of `ROLES`.
          rng: draws.
          longest: seconds; longer clips are not drawn.

        Raises:
          ValueError: there is none; says what is missing.
        """
        pools = [pool for pool in self._pools[role] if pool.shortest[0] <= longest]
        if not pools:
            raise ValueError(
                f"no {role} clip of at most {longest:g} s to mix scenes of: add a manifest that has"
            )
        weights = np.array([pool.weight for pool in pools])
        pool = pools[int(rng.choice(len(pools), p=weights / weights.sum()))]
        label = pool.labels[int(rng.integers(bisect.bisect_right(pool.shortest, longest)))]
        return label.clips[int(rng.integers(bisect.bisect_right(label.durations, longest)))]

    def words_of(self, speaker: str) -> Sequence[AudioRecord]:
        """The words that a speaker says, one clip each."""
        return self._words.get(speaker, ())


def role_of(clip: AudioRecord) -> str | None:
    """The role that a clip can have in a scene; None: it cannot be used."""
    role = next((role for role in ROLES if clip.views.get(role)), None)
    return None if role == "speech" and not clip.views.get("asr") else role


def is_word(clip: AudioRecord) -> bool:
    """Whether others of the same speaker may follow it."""
    return clip.speaker is not None and clip.duration <= WORD_SECONDS


def _pool(labels: Iterable[list[AudioRecord]], weight: float) -> _Pool:
    ordered = [sorted(clips, key=lambda clip: clip.duration) for clips in labels]
    ordered.sort(key=lambda clips: clips[0].duration)
    tables = [_Label([clip.duration for clip in clips], clips) for clips in ordered]
    return _Pool(weight, [table.durations[0] for table in tables], tables)
