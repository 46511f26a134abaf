"""Who hears what of a clip in which several things sound."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.tasks import EVENTS
from audiogen_jax.evaluate.metrics.shares import Share, share_of
from audiogen_jax.evaluate.recognisers.speech_activity import SpeechActivity
from audiogen_jax.evaluate.recognisers.spoken_words import SpokenWords

Samples = Float[np.ndarray, " n"]
BY_POCKETSPHINX = "{}, PocketSphinx"
"""Name of what a recogniser that nobody here trained hears, beside the judge."""
VOICES = ("digits", "words")
VOICE_SECONDS = (-0.5, 1.5)
"""From where to where a voice is listened to, around the moment at which it begins."""


@dataclasses.dataclass(frozen=True)
class Listeners:
    """Everybody who listens.

    Attributes:
      judge: of the foreground.
      background: the judge of music and ambience; None where neither is asked for.
      passing: voices and events sound for a moment of a longer clip, see `Judge.answers`.
      activity: says of longer clips where a voice is; None: all of a clip is listened to.
    """

    judge: Judge
    background: Judge | None = None
    passing: bool = False
    activity: SpeechActivity | None = None

    def answers(self, part: str, clips: Sequence[Samples], sample_rate: int) -> dict[str, list]:
        """Which class everybody who can hears in each clip.

        Args:
          part: what should sound: "digits", "words", "sounds", "events" (sounds but ambience),
            "music" or "ambience".
          clips: mono, float [n] each.
          sample_rate: of the clips, Hz.

        Returns:
          `part`, or `BY_POCKETSPHINX` of it -> class of every clip.
        """
        if part in ("music", "ambience"):
            if self.background is None:
                raise ValueError(f"{part} is asked for, and no judge of the background is here")
            return {part: self.background.answers("background", clips, sample_rate)}
        if part == "events":
            answers = self.judge.answers("sounds", clips, sample_rate, EVENTS, self.passing)
            return {part: answers}
        if part in VOICES and self.activity is not None:
            onsets = self.activity.onsets(clips, sample_rate)
            clips = [_around(*row, sample_rate) for row in zip(clips, onsets, strict=True)]
        answers = {part: self.judge.answers(part, clips, sample_rate, passing=self.passing)}
        if part in VOICES:
            recogniser = SpokenWords(self.classes(part))
            name = BY_POCKETSPHINX.format(part)
            answers[name] = recogniser.answers(clips, sample_rate)
        return answers

    def chance(self, part: str) -> float:
        """Share that is right without listening."""
        return 1 / len(EVENTS if part == "events" else self.classes(part))

    def classes(self, part: str) -> tuple[str, ...]:
        """What can be heard of a part, see `answers`; nothing if the judge does not know it."""
        tasks = self.judge.tasks
        if part in ("music", "ambience") and self.background is not None:
            tasks, part = self.background.tasks, "background"
        return next((task.classes for task in tasks if task.name == part), ())


def _around(clip: Samples, onset: float | None, sample_rate: int) -> Samples:
    """The two seconds of a clip in which a voice begins; all of it if nobody speaks."""
    if onset is None:
        return clip
    first, last = (max(0, round((onset + at) * sample_rate)) for at in VOICE_SECONDS)
    return clip[first:last]


def shares_heard(
    expected: Sequence[Mapping[str, str]],
    clips: Sequence[Samples],
    listeners: Listeners,
    sample_rate: int,
) -> dict[str, Share]:
    """How often each part of some clips is heard, and how often all of a clip is.

    Args:
      expected: of each clip, what should sound (see `Listeners.answers`) -> its class.
      clips: mono, float [n] each.
      listeners: who listens.
      sample_rate: of the clips, Hz.

    Returns:
      Shares with intervals, of the clips that should have the part: by its name, that of the voice
      by PocketSphinx too; "all" by the judges, and with the voice by PocketSphinx.
    """
    shares: dict[str, Share] = {}
    every = {False: np.ones(len(clips), bool), True: np.ones(len(clips), bool)}
    for part in dict.fromkeys(part for each in expected for part in each):
        rows = [row for row, each in enumerate(expected) if part in each]
        answers = listeners.answers(part, [clips[row] for row in rows], sample_rate)
        hits: dict[str, Bool[np.ndarray, " b"]] = {
            name: np.array([a == expected[row][part] for a, row in zip(heard, rows, strict=True)])
            for name, heard in answers.items()
        }
        for name, right in hits.items():
            shares[name] = share_of(int(right.sum()), len(rows))
        every[False][rows] &= hits[part]
        every[True][rows] &= hits.get(BY_POCKETSPHINX.format(part), hits[part])
    shares["all"] = share_of(int(every[False].sum()), len(clips))
    if any(part in VOICES for each in expected for part in each):
        shares[BY_POCKETSPHINX.format("all")] = share_of(int(every[True].sum()), len(clips))
    return shares


def heard_in(
    clip: Samples, expected: Mapping[str, str], listeners: Listeners, sample_rate: int
) -> str:
    """What everybody hears in a clip, in words; see `shares_heard` for the arguments."""
    texts = []
    for part, name in expected.items():
        answers = listeners.answers(part, [clip], sample_rate)
        texts += [f"{who}: {answer} (asked for: {name})" for who, (answer,) in answers.items()]
    return "; ".join(texts)


def chances(expected: Sequence[Mapping[str, str]], listeners: Listeners) -> dict[str, float]:
    """What `shares_heard` gives for clips of nothing that was asked for, on average."""
    parts = list(dict.fromkeys(part for each in expected for part in each))
    chance = {}
    for part in parts:
        chance[part] = listeners.chance(part)
        if part in VOICES:
            chance[BY_POCKETSPHINX.format(part)] = chance[part]
    each = [float(np.prod([chance[part] for part in parts])) for parts in expected]
    chance["all"] = float(np.mean(each))
    if any(part in VOICES for part in parts):
        chance[BY_POCKETSPHINX.format("all")] = chance["all"]
    return chance


def ratios(shares: Mapping[str, Share], ceiling: Mapping[str, Share]) -> dict[str, float | None]:
    """Shares of what is reached of those of real clips; None where these are 0."""
    return {
        name: share.share / ceiling[name].share if ceiling[name].share else None
        for name, share in shares.items()
    }
