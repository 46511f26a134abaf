"""Mixes scenes of single recordings; each is a pure function of a few numbers and a generator."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float32

from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.crop_pad import crop_window
from audiogen_jax.input.manifest import AudioRecord, Member
from audiogen_jax.input.row_errors import check_tolerated
from audiogen_jax.input.scenes import layers as mixing
from audiogen_jax.input.scenes.captions import scene_caption
from audiogen_jax.input.scenes.config import SceneConfig
from audiogen_jax.input.scenes.library import ROLES, SceneLibrary, is_word
from audiogen_jax.timeline import Event, Timeline

EVENTS = (("sfx",), ("env",), ("sfx", "env"))
EVENT_SECONDS = (1.0, 4.0)
PAUSE_SECONDS = (0.1, 0.4)
RT60_SECONDS = (0.2, 0.9)
LARGE_ROOM_RT60 = 0.5
DIRECT_TO_REVERBERANT_DB = (0.0, 10.0)
PEAK = (0.3, 0.8)
SHORTEST_SECONDS = 0.5
"""Of a scene, whatever it is made of."""
MAX_DRAWS = 100
"""Scenes with a clip that cannot be read, one after another, until an error says so."""

Drawn = TypeVar("Drawn")


@dataclasses.dataclass(frozen=True)
class Scene:
    """A mixed scene and all that is known of it.

    Attributes:
      samples: the mix.
      layers: role -> what it adds; they sum to `samples`.
      views: view -> its text.
      timeline: when each word and part sounds.
      category: see `CATEGORIES`.
      clips: role -> the recordings that it was made of.
    """

    samples: Float32[np.ndarray, "n a"]
    layers: Mapping[str, Float32[np.ndarray, "n a"]]
    views: Mapping[str, str]
    timeline: Timeline
    category: str
    clips: Mapping[str, Sequence[AudioRecord]]


class UnreadableError(ValueError):
    """A clip that was drawn cannot be read."""


class _Laid(NamedTuple):
    """The clips of a role as they stand in the scene."""

    layer: Float32[np.ndarray, "n a"]
    spans: Sequence[tuple[int, int]]


class SceneMixer:
    """Draws scenes.

    Attributes:
      shortest: seconds that every scene must have, so that some speech fits.

    Args:
      config: how.
      library: of what.
      cache: decodes the recordings; its rate and channels are those of the scenes.

    Raises:
      ValueError: a category that is asked for has no clips.
    """

    def __init__(self, config: SceneConfig, library: SceneLibrary, cache: AudioCache):
        self._config = config
        self._library = library
        self._cache = cache
        self._rate = cache.sample_rate
        self._unreadable: set[tuple[Path, Member | None]] = set()
        shares = {name: share for name, share in config.categories.items() if share > 0}
        self._categories = sorted(shares)
        weights = np.array([shares[name] for name in self._categories])
        self._shares = weights / weights.sum()
        roles = library.roles()
        for category in self._categories:
            if not all(set(needed) & set(roles) for needed in _needs(category)):
                raise ValueError(
                    f"scenes of category {category!r}: no clips for one of {_needs(category)}, "
                    f"only for {roles}; add a manifest, or set its share to 0"
                )

        speech = any("S" in category for category in self._categories)
        self.shortest = max(SHORTEST_SECONDS, library.shortest("speech") if speech else 0.0)

    def draw(self, progress: float, seconds: float, rng: np.random.Generator) -> Scene:
        """One scene.

        Args:
          progress: of the training, from 0 to 1; decides the stage of the levels.
          seconds: length of the scene.
          rng: draws everything.

        Raises:
          ValueError: no speech is short enough, or a clip cannot be read; names it.
        """
        length = round(seconds * self._rate)
        category = self._categories[int(rng.choice(len(self._categories), p=self._shares))]
        roles = self._roles(category, rng)
        clips = {role: self._clips(role, seconds, rng) for role in roles}
        laid = {role: self._lay(role, clips[role], length, rng) for role in roles}
        layers = {role: part.layer for role, part in laid.items()}

        room = None
        if "env" not in roles and rng.random() < self._config.reverb:
            rt60 = rng.uniform(*RT60_SECONDS)
            ratio = rng.uniform(*DIRECT_TO_REVERBERANT_DB)
            response = mixing.room_response(rt60, ratio, self._rate, rng)
            layers = {role: mixing.reverberate(layer, response) for role, layer in layers.items()}
            room = f"a {'large' if rt60 >= LARGE_ROOM_RT60 else 'small'} reverberant room"

        reference, *others = roles
        extra = self._config.headroom_at(progress) if reference == "speech" else 0.0
        for role in others:
            below = rng.uniform(*self._config.below[role]) + extra
            gain = mixing.gain_below(layers[role], layers[reference], below, self._rate)
            layers[role] = layers[role] * np.float32(gain)
        mix = np.sum(list(layers.values()), axis=0)
        gain = np.float32(rng.uniform(*PEAK) / np.abs(mix).max())
        views, timeline = self._describe(clips, laid, room, rng)
        return Scene(
            mix * gain,
            {role: layer * gain for role, layer in layers.items()},
            views,
            timeline,
            category,
            clips,
        )

    def draw_readable(
        self, progress: float, seconds: float, rng: np.random.Generator
    ) -> tuple[Scene, tuple[str, ...]]:
        """`draw` until all clips of a scene can be read; which one depends on the files alone.

        Returns:
          The scene, and what could not be read before it.

        Raises:
          ValueError: no speech is short enough, or too many clips cannot be read.
        """
        return first_readable(lambda: self.draw(progress, seconds, rng))

    def read(self, clip: AudioRecord, longest: float = math.inf) -> Float32[np.ndarray, "n a"]:
        """The samples of a clip.

        Args:
          clip: of the library.
          longest: seconds of it that there is room for.

        Raises:
          UnreadableError: it cannot be read, or its words are longer than stated and would be cut.
          ValueError: too many clips cannot be.
        """
        try:
            samples = self._cache.load(clip.path, clip.member)
            clip.check_fits(len(samples) / self._rate, longest)
            return samples
        except (ValueError, OSError) as error:
            self._unreadable.add((clip.path, clip.member))
            bad, total = len(self._unreadable), len(self._library)
            check_tolerated(bad, total, "clips of scenes", str(error))
            raise UnreadableError(str(error)) from error

    def _roles(self, category: str, rng: np.random.Generator) -> list[str]:
        available = self._library.roles()
        roles = {"speech"} if "S" in category else set()
        roles |= {"music"} if "M" in category else set()
        if "A" in category:
            choices = [events for events in EVENTS if set(events) <= set(available)]
            roles |= set(choices[int(rng.integers(len(choices)))])
        return [role for role in ROLES if role in roles]

    def _clips(self, role: str, seconds: float, rng: np.random.Generator) -> list[AudioRecord]:
        if role != "speech":
            return [self._library.draw(role, rng)]
        first = self._library.draw(role, rng, seconds)
        if not is_word(first) or rng.random() < self._config.one_word:
            return [first]
        others = self._library.words_of(str(first.speaker))
        clips, total = [first], self._seconds(first)
        for _ in range(int(rng.integers(1, max(self._config.max_words, 2)))):
            clip = others[int(rng.integers(len(others)))]
            total += PAUSE_SECONDS[1] + self._seconds(clip)
            if total <= seconds and len(clips) < self._config.max_words:
                clips.append(clip)
        return clips

    def _seconds(self, clip: AudioRecord) -> float:
        return len(self.read(clip)) / self._rate

    def _lay(
        self, role: str, clips: Sequence[AudioRecord], length: int, rng: np.random.Generator
    ) -> _Laid:
        """Where the clips of a role stand: words one after another, a sound anywhere."""
        pieces = [self.read(clip, length / self._rate) for clip in clips]
        if role != "speech":
            longest = length
            if role == "sfx":
                longest = min(longest, round(rng.uniform(*EVENT_SECONDS) * self._rate))
            pieces = [crop_window(pieces[0], longest, "loud", rng)]
            if self._config.fill and role != "sfx":
                pieces = [mixing.repeated(pieces[0], length, self._rate)]
        pauses = [round(rng.uniform(*PAUSE_SECONDS) * self._rate) for _ in pieces[1:]]
        # A single word may be a little longer than stated, see `AudioRecord.check_fits`.
        total = min(sum(map(len, pieces)) + sum(pauses), length)
        onset = int(rng.integers(length - total + 1))
        layer = np.zeros((length, pieces[0].shape[1]), np.float32)
        spans = []
        for piece, pause in zip(pieces, [*pauses, 0], strict=True):
            piece = mixing.faded(piece[: length - onset], self._rate)
            mixing.add_at(layer, piece, onset)
            first, last = mixing.audible(piece, self._rate)
            spans.append((onset + first, onset + last))
            onset += len(piece) + pause
        return _Laid(layer, spans)

    def _describe(
        self,
        clips: Mapping[str, Sequence[AudioRecord]],
        laid: Mapping[str, _Laid],
        room: str | None,
        rng: np.random.Generator,
    ) -> tuple[dict[str, str], Timeline]:
        views: dict[str, str] = {}
        events: list[Event] = []
        spans: dict[str, tuple[float, float]] = {}
        for role, part in laid.items():
            spans[role] = (part.spans[0][0] / self._rate, part.spans[-1][1] / self._rate)
            views[role] = _drawn(clips[role][0], role, rng)
            events.append(Event(*spans[role], role))
            if role == "speech":
                words = [_drawn(clip, "asr", rng) for clip in clips[role]]
                views["asr"] = " ".join(words)
                for word, (start, end) in zip(words, part.spans, strict=True):
                    events.append(Event(start / self._rate, end / self._rate, "asr", word))
        # Beside other sounds the caption names the music without its tempo and key.
        phrases = {
            role: views[role] if len(laid) == 1 else views[role].split(",")[0] for role in laid
        }
        caption = scene_caption(phrases, views.get("asr", ""), spans, room, rng)
        if room:
            views["env"] = room
        return {"caption": caption, **views}, tuple(events)


def first_readable(draw: Callable[[], Drawn]) -> tuple[Drawn, tuple[str, ...]]:
    """Draws until all clips that were drawn can be read.

    Returns:
      What was drawn, and what could not be read before it.

    Raises:
      ValueError: too many clips cannot be read, or what `draw` raises.
    """
    problems: list[str] = []
    while len(problems) < MAX_DRAWS:
        try:
            return draw(), tuple(problems)
        except UnreadableError as error:
            problems.append(str(error))
    raise ValueError(
        f"no scene of {MAX_DRAWS} has clips that can be read; the first: {problems[0]}"
    )


def _needs(category: str) -> list[tuple[str, ...]]:
    """What a category needs: a clip of some role of each."""
    needs = {"S": ("speech",), "M": ("music",), "A": ("sfx", "env")}
    return [roles for letter, roles in needs.items() if letter in category]


def _drawn(clip: AudioRecord, view: str, rng: np.random.Generator) -> str:
    phrasings = clip.views[view]
    return phrasings[int(rng.integers(len(phrasings)))]
