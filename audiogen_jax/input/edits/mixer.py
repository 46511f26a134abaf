"""Mixes edit pairs of single recordings; each is a pure function of a few numbers."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32

from audiogen_jax.edit_kinds import STEMS
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.crop_pad import crop_window
from audiogen_jax.input.edits.config import EditConfig
from audiogen_jax.input.edits.instructions import drawn_instruction
from audiogen_jax.input.edits.pair import EditPair
from audiogen_jax.input.edits.time_pitch import shift_and_stretch
from audiogen_jax.input.manifest import AudioRecord
from audiogen_jax.input.scenes import layers as mixing
from audiogen_jax.input.scenes.captions import LONGEST_QUOTE, QUOTE_RATE, quoting
from audiogen_jax.input.scenes.library import SceneLibrary, role_of
from audiogen_jax.input.scenes.mixer import (
    EVENT_SECONDS,
    MAX_DRAWS,
    SHORTEST_SECONDS,
    SceneMixer,
    first_readable,
)

LOUDEST = 0.95
"""Peak that no clip of a pair exceeds."""
WHOLE = ("remove", "extract")
"""Kinds that can name all sounds of a role."""
_STEM_OF = {"speech": "voice", "sfx": "events", "music": "music", "env": "ambience"}
"""Role -> its stem, a key of `STEMS`."""
_ONE_AT_A_TIME = ("speech", "music")
"""Roles of which one sound alone can be meant: two voices are both "somebody speaking"."""


Samples: TypeAlias = Float32[np.ndarray, "n a"]


class _NoSoundLeftError(ValueError):
    """All sounds that were drawn are heard already."""


class _Named(NamedTuple):
    """A clip in the role in which it is heard."""

    role: str
    clip: AudioRecord


class _Layers(NamedTuple):
    """What a pair is the sum of; without what is named, `event` and `replacement` are zeros."""

    rest: Samples
    event: Samples
    replacement: Samples

    def limited(self) -> "_Layers":
        """With one gain for all, so that the relations between the clips stay."""
        clips = (self.rest, self.event, self.rest + self.event, self.rest + self.replacement)
        peak = max(float(np.abs(clip).max()) for clip in clips)
        gain = np.float32(min(1.0, LOUDEST / peak))
        return _Layers(*(layer * gain for layer in self))


class EditMixer:
    """Draws pairs.

    Attributes:
      shortest: seconds that every pair must have, so that some speech fits.

    Args:
      config: how.
      library: of what.
      cache: decodes the recordings; its rate and channels are those of the pairs.

    Raises:
      ValueError: a role or a category of backgrounds that is asked for has no clips.
    """

    def __init__(self, config: EditConfig, library: SceneLibrary, cache: AudioCache):
        self._config = config
        self._library = library
        self._rate = cache.sample_rate
        self._scenes = SceneMixer(config.scene(), library, cache)
        roles = {role: share for role, share in config.roles.items() if share > 0}
        if missing := sorted(roles.keys() - set(library.roles())):
            raise ValueError(
                f"events of role {missing[0]!r}: no clips, only of {library.roles()}; add a "
                "manifest, or set its share of data.edits.roles to 0"
            )
        speech = "speech" in roles
        self._roles = roles
        self.shortest = max(
            SHORTEST_SECONDS,
            self._scenes.shortest,
            library.shortest("speech") * config.stretch[1] if speech else 0.0,
        )

    def draw(self, seconds: float, rng: np.random.Generator) -> EditPair:
        """One pair.

        Args:
          seconds: length of its clips.
          rng: draws everything.

        Raises:
          ValueError: no speech is short enough, no sound is left that is not heard already, or a
            clip cannot be read; names it.
        """
        kind = _drawn_key(self._config.kinds, rng)
        negative = kind != "add" and rng.random() < self._config.negatives
        for _ in range(MAX_DRAWS):
            with contextlib.suppress(_NoSoundLeftError):
                return self._pair(kind, negative, seconds, rng)
        raise ValueError(
            f"no sound is left to mix an edit pair ({kind}) with: all that are drawn are heard in "
            "it already; add recordings of other sounds to data.edits.manifests"
        )

    def _pair(
        self, kind: str, negative: bool, seconds: float, rng: np.random.Generator
    ) -> EditPair:
        scene = self._scenes.draw(1.0, seconds, rng)
        background = [clip for clips in scene.clips.values() for clip in clips]
        heard = [*background]

        def choose(longest: float = seconds) -> _Named:
            chosen = self._choose(heard, longest, rng)
            heard.append(chosen.clip)
            return chosen

        named = choose()
        count = int(rng.integers(self._config.events[0], self._config.events[1] + 1))
        others = []
        with contextlib.suppress(_NoSoundLeftError):  # as many as there are
            for _ in range(count if negative else count - 1):
                others.append(choose())
        rest, layers = scene.samples, dict(scene.layers)
        for other in others:
            layer = self._placed(self._heard(other, scene.samples, rng), len(rest), rng)[0]
            rest, layers[other.role] = rest + layer, layers.get(other.role, 0) + layer

        silence = np.zeros_like(rest)
        event, replacement, span, becomes = silence, silence, None, None
        if not negative:
            event, span = self._placed(self._heard(named, scene.samples, rng), len(rest), rng)
        if kind == "restyle":
            becomes = choose(seconds if span is None else (span[1] - span[0]) / self._rate)
            if span is not None:
                replacement = self._replacing(event, span, becomes, rng)
        what, words = _naming(named, rng)
        present = others if negative else [*others, named]
        clips = () if negative else (named.clip,)
        share = self._config.whole_roles
        if share and kind in WHOLE and not negative and rng.random() < share:
            layers[named.role] = layers.get(named.role, 0) + event
            role = sorted(layers)[int(rng.integers(len(layers)))]
            rest, event = rest + event - layers[role], layers[role]
            what, words = STEMS[_STEM_OF[role]], ""
            clips = tuple(
                [*scene.clips.get(role, ()), *(e.clip for e in present if e.role == role)]
            )
        rest, event, replacement = _Layers(rest, event, replacement).limited()
        mixture = rest + event
        to = ""
        if becomes is not None:
            to, words = _naming(becomes, rng)
        return EditPair(
            kind=kind,
            what=what,
            to=to,
            words=words,
            instruction=drawn_instruction(kind, what, to, rng),
            source=rest if kind == "add" else mixture,
            target={
                "add": mixture,
                "remove": rest,
                "extract": event,
                "restyle": rest + replacement,
            }[kind],
            event=event,
            replacement=replacement if kind == "restyle" else None,
            span=None if span is None else self._heard_from_to(event),
            negative=negative,
            clips={
                "event": clips,
                "replacement": () if negative or becomes is None else (becomes.clip,),
                "others": tuple(e.clip for e in present if e.clip not in clips),
                "background": tuple(clip for clip in background if clip not in clips),
            },
        )

    def draw_readable(
        self, seconds: float, rng: np.random.Generator
    ) -> tuple[EditPair, tuple[str, ...]]:
        """`draw` until all clips of a pair can be read; see `SceneMixer.draw_readable`."""
        return first_readable(lambda: self.draw(seconds, rng))

    def _choose(
        self, heard: Sequence[AudioRecord], seconds: float, rng: np.random.Generator
    ) -> _Named:
        """A clip of a sound that is not heard already, a voice only if it fits into `seconds`.

        Raises:
          _NoSoundLeftError: there is none.
        """
        longest = seconds / self._config.stretch[1]
        available = self._library.roles(longest)
        roles = {role: share for role, share in self._roles.items() if role in available}
        for _ in range(MAX_DRAWS if roles else 0):
            role = _drawn_key(roles, rng)
            clip = self._library.draw(role, rng, longest if role == "speech" else math.inf)
            if not any(_same_sound(clip, other) for other in heard):
                return _Named(role, clip)
        raise _NoSoundLeftError

    def _heard_from_to(self, layer: Samples) -> tuple[float, float]:
        first, last = mixing.audible(layer, self._rate)
        return first / self._rate, last / self._rate

    def _heard(self, named: _Named, background: Samples, rng: np.random.Generator) -> Samples:
        """A clip as it stands in a pair: cut, shifted, stretched, faded, at its level."""
        config = self._config
        samples = self._shifted(named, len(background), rng)
        above = rng.uniform(*config.snr)
        gain = mixing.gain_below(samples, background, -above, self._rate)
        return samples * np.float32(gain)

    def _shifted(self, named: _Named, longest: int, rng: np.random.Generator) -> Samples:
        # As `_choose` leaves room for, so that what is set aside does not depend on a draw.
        fits = longest / self._rate / self._config.stretch[1]
        samples = self._scenes.read(named.clip, fits)
        semitones, stretch = (
            rng.uniform(*self._config.semitones),
            rng.uniform(*self._config.stretch),
        )
        if named.role != "speech":  # which is never cut: all of its words are told
            longest = min(longest, round(rng.uniform(*EVENT_SECONDS) * self._rate))
            samples = crop_window(samples, round(longest / stretch), "loud", rng)
        samples = shift_and_stretch(samples, semitones, stretch, self._rate)
        return mixing.faded(samples[:longest], self._rate)

    def _placed(
        self, samples: Samples, length: int, rng: np.random.Generator
    ) -> tuple[Samples, tuple[int, int]]:
        """A layer in which a clip stands somewhere, and from where to where."""
        onset = int(rng.integers(length - len(samples) + 1))
        layer = np.zeros((length, samples.shape[1]), np.float32)
        mixing.add_at(layer, samples, onset)
        return layer, (onset, onset + len(samples))

    def _replacing(
        self, event: Samples, span: tuple[int, int], named: _Named, rng: np.random.Generator
    ) -> Samples:
        """A layer in which a clip stands within the span of an event, as loud as that."""
        samples = self._shifted(named, span[1] - span[0], rng)
        gain = mixing.gain_below(samples, event[slice(*span)], 0.0, self._rate)
        layer = np.zeros_like(event)
        mixing.add_at(layer, samples * np.float32(gain), span[0])
        return layer


def _drawn_key(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    keys = sorted(shares)
    weights = np.array([shares[key] for key in keys])
    return keys[int(rng.choice(len(keys), p=weights / weights.sum()))]


def _same_sound(first: AudioRecord, second: AudioRecord) -> bool:
    """Whether a phrase for one clip may mean the other: no instruction would be clear then."""
    roles = role_of(first), role_of(second)
    if roles[0] == roles[1] and roles[0] in _ONE_AT_A_TIME:
        return True
    if "speech" in roles:  # whose labels are the words
        return False
    if first.label is not None and first.label == second.label:
        return True
    return not _phrases(first).isdisjoint(_phrases(second))


def _phrases(clip: AudioRecord) -> set[str]:
    return {phrase.lower().strip(" .") for phrase in clip.views.get(str(role_of(clip)), ())}


def _naming(named: _Named, rng: np.random.Generator) -> tuple[str, str]:
    """The noun phrase for a sound, and the words that it says if it is a voice."""
    views = named.clip.views
    # Music is named without its tempo and key.
    phrase = _drawn(views[named.role], rng).split("," if named.role == "music" else "\n")[0]
    phrase = phrase.strip(" .")
    if named.role != "speech":
        return phrase, ""
    words = _drawn(views["asr"], rng)
    if len(words) <= LONGEST_QUOTE and rng.random() < QUOTE_RATE:
        phrase = quoting(phrase, words, rng)
    return phrase, words


def _drawn(phrasings: Sequence[str], rng: np.random.Generator) -> str:
    return phrasings[int(rng.integers(len(phrasings)))]
