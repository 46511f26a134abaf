"""Mixes single recordings into scenes of seven categories: speech, music and acoustic events.

A category names what a scene holds: S speech, M music, A acoustic events (sound effects,
ambience or both), 0 in the place of what is missing: S00, 0M0, 00A, SM0, S0A, 0MA, SMA.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.crop_pad import crop_window
from audiogen_jax.input.scenes.layers import room_response
from data import SAMPLE_RATE
from data.licenses import strictest
from data.mixing import at_snr, layer_of, reverberate
from data.scene_captions import scene_views

CATEGORIES = ("S00", "0M0", "00A", "SM0", "S0A", "0MA", "SMA")
FOREGROUND = ("speech", "sfx", "music", "env")
"""The first role present is the reference of all levels."""
SNR_DB = {"sfx": (-3.0, 9.0), "music": (3.0, 15.0), "env": (5.0, 20.0)}
"""Range of each role's level below the reference."""
EVENTS = (("sfx",), ("env",), ("sfx", "env"))
REVERB_RATE = 0.3
RT60_SECONDS = (0.2, 0.9)
LARGE_ROOM_RT60 = 0.5
DIRECT_TO_REVERBERANT_DB = (0.0, 10.0)
EVENT_SECONDS = (1.0, 4.0)
WORD_SECONDS = 1.3
"""Shorter speech counts as a word, and may be followed by others of the same speaker."""
MAX_WORDS = 4
PAUSE_SECONDS = (0.1, 0.4)
PEAK = (0.3, 0.8)
CACHE_BYTES = 1 << 30


@dataclasses.dataclass(frozen=True)
class Scene:
    """One mixed scene.

    Attributes:
      samples: [n] the mix.
      layers: role -> [n] what it adds to the mix; they sum to `samples`.
      row: its manifest row, without `audio_id`, `path` and `sha256`.
    """

    samples: Float[np.ndarray, " n"]
    layers: dict[str, Float[np.ndarray, " n"]]
    row: dict[str, Any]


class SceneBuilder:
    """Draws scenes from the clips of one split.

    Args:
      rows: manifest rows of single recordings; only those of `split` are used. Their paths must
        be good from the current folder.
      split: "train" or "val".
      seconds: length of every scene.

    Raises:
      ValueError: no clip of the split for one of the four roles.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], split: str, seconds: float):
        self._split = split
        self._length = round(seconds * SAMPLE_RATE)
        self._cache = AudioCache(SAMPLE_RATE, CACHE_BYTES)
        # role -> source -> rows: sources are drawn evenly, so that a large one does not drown all.
        self._pools: dict[str, dict[str, list[Mapping[str, Any]]]] = {
            role: defaultdict(list) for role in FOREGROUND
        }
        self._words: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            if row["split"] == split:
                self._shelve(row, seconds)
        if missing := [role for role, pool in self._pools.items() if not pool]:
            raise ValueError(f"no {split} clips for {missing}: add a manifest that has some")

    def build(self, category: str, rng: np.random.Generator) -> Scene:
        """Mixes one scene.

        Args:
          category: one of `CATEGORIES`.
          rng: draws everything.

        Raises:
          ValueError: unknown category, or a clip that cannot be read; names it.
        """
        if category not in CATEGORIES:
            raise ValueError(f"{category=}: expected one of {CATEGORIES}")
        roles = self._roles(category, rng)
        clips = {role: self._clips(role, rng) for role in roles}
        layers = {role: self._layer(role, clips[role], rng) for role in roles}
        spans = {role: _span(layer) for role, layer in layers.items()}

        room = None
        if "env" not in roles and rng.random() < REVERB_RATE:
            rt60 = rng.uniform(*RT60_SECONDS)
            ratio = rng.uniform(*DIRECT_TO_REVERBERANT_DB)
            response = room_response(rt60, ratio, SAMPLE_RATE, rng)
            layers = {role: reverberate(layer, response) for role, layer in layers.items()}
            room = f"a {'large' if rt60 >= LARGE_ROOM_RT60 else 'small'} reverberant room"

        reference, *others = roles
        snr_db = {role: round(rng.uniform(*SNR_DB[role]), 1) for role in others}
        for role in others:
            layers[role] = at_snr(layers[role], layers[reference], snr_db[role])
        mix = np.sum(list(layers.values()), axis=0)
        gain = rng.uniform(*PEAK) / np.abs(mix).max()
        layers = {role: layer * gain for role, layer in layers.items()}

        parts = [(role, row) for role in roles for row in clips[role]]
        row = {
            "duration": self._length / SAMPLE_RATE,
            "sample_rate": SAMPLE_RATE,
            **scene_views(clips, _order(spans), room, rng),
            "category": category,
            "split": self._split,
            "source": "scenes",
            "synthetic": any(row.get("synthetic", False) for _, row in parts),
            "license": strictest(row["license"] for _, row in parts),
            "snr_db": snr_db,
            "sources": [
                {"role": role, **{key: row[key] for key in ("audio_id", "license", "author")}}
                | {"title": row["title"], "source_url": row["source_url"]}
                for role, row in parts
            ],
        }
        return Scene(mix * gain, layers, row)

    def _shelve(self, row: Mapping[str, Any], seconds: float) -> None:
        role = next((role for role in FOREGROUND if row.get(role)), None)
        if role is None or (role == "speech" and not row.get("asr")):
            return
        if role == "speech":
            # Speech is never cut: its transcript would no longer be true.
            if row["duration"] > seconds:
                return
            if row["duration"] <= WORD_SECONDS and row.get("speaker"):
                self._words[row["speaker"]].append(row)
        self._pools[role][row["source"]].append(row)

    def _roles(self, category: str, rng: np.random.Generator) -> list[str]:
        roles = {"speech"} if "S" in category else set()
        roles |= {"music"} if "M" in category else set()
        roles |= set(EVENTS[rng.integers(len(EVENTS))]) if "A" in category else set()
        return [role for role in FOREGROUND if role in roles]

    def _clips(self, role: str, rng: np.random.Generator) -> list[Mapping[str, Any]]:
        pool = self._pools[role]
        sources = sorted(pool)
        rows = pool[sources[rng.integers(len(sources))]]
        first = rows[rng.integers(len(rows))]
        if role != "speech" or first["duration"] > WORD_SECONDS or not first.get("speaker"):
            return [first]
        same_voice = self._words[first["speaker"]]
        others = [row for row in same_voice if row["audio_id"] != first["audio_id"]]
        more = min(int(rng.integers(MAX_WORDS)), len(others))
        picked = rng.choice(len(others), size=more, replace=False) if more else ()
        clips, seconds = [first], first["duration"]
        for row in (others[index] for index in picked):
            seconds += PAUSE_SECONDS[1] + row["duration"]
            if seconds * SAMPLE_RATE <= self._length:
                clips.append(row)
        return clips

    def _layer(
        self, role: str, rows: Sequence[Mapping[str, Any]], rng: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        if role == "speech":
            clip = self._say(rows, rng)
        else:
            longest = self._length
            if role == "sfx":
                longest = min(longest, round(rng.uniform(*EVENT_SECONDS) * SAMPLE_RATE))
            samples = self._cache.load(Path(rows[0]["path"]))
            clip = crop_window(samples, longest, "loud", rng)[:, 0].astype(np.float64)
        onset = int(rng.integers(self._length - len(clip) + 1))
        return layer_of(clip, self._length, onset)

    def _say(
        self, rows: Sequence[Mapping[str, Any]], rng: np.random.Generator
    ) -> Float[np.ndarray, " m"]:
        pieces = []
        for row in rows:
            if pieces:
                pieces.append(np.zeros(round(rng.uniform(*PAUSE_SECONDS) * SAMPLE_RATE)))
            pieces.append(self._cache.load(Path(row["path"]))[:, 0].astype(np.float64))
        return np.concatenate(pieces)[: self._length]


def _span(layer: Float[np.ndarray, " n"]) -> tuple[int, int]:
    audible = np.flatnonzero(layer)
    return int(audible[0]), int(audible[-1]) + 1


def _order(spans: Mapping[str, tuple[int, int]]) -> list[str]:
    """Speech and sound effect in the order heard, if one ends before the other begins."""
    if "speech" not in spans or "sfx" not in spans:
        return []
    first, second = sorted(("speech", "sfx"), key=lambda role: spans[role])
    return [first, second] if spans[first][1] <= spans[second][0] else []
