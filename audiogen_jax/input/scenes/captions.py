"""The caption of a mixed scene, in one of many wordings, from what was mixed and when."""

from collections.abc import Mapping, Sequence

import numpy as np

LONGEST_QUOTE = 60
"""Characters of a transcript that a caption quotes."""
QUOTE_RATE = 0.5
"""Of the scenes with speech, those whose caption says the words; the others leave them to `asr`."""

_OPENINGS = ("", "", "", "The sound of ", "A recording of ", "You can hear ", "There is ")
_TOGETHER = (
    "{first} and {rest}",
    "{first} with {rest}",
    "{first} with {rest} in the background",
    "{first} over {rest}",
    "{first} while {rest} can be heard",
    "{first} along with {rest}",
    "{first}, {rest}",
    "{first} as {rest} goes on",
)
_FOLLOWING = (
    "{first}, then {second}",
    "{first} followed by {second}",
    "{first} and after that {second}",
    "first {first}, then {second}",
    "{second} after {first}",
    "{first}, before {second}",
)
_SAYING = ("saying", "saying the word", "who says", "speaking:")
_SPEAKING = (" speaking", " speaking English", " reading aloud")


def scene_caption(
    phrases: Mapping[str, str],
    words: str,
    spans: Mapping[str, tuple[float, float]],
    room: str | None,
    rng: np.random.Generator,
) -> str:
    """One sentence about a scene.

    Args:
      phrases: role -> the noun phrase of what it adds ("a dog barking"), the speaker's among them.
      words: what is said, "" if nothing is.
      spans: role -> from when to when it sounds, seconds.
      room: the room in words, if reverberation was added.
      rng: draws the wording.
    """
    phrases = dict(phrases)
    if "speech" in phrases and words and len(words) <= LONGEST_QUOTE and rng.random() < QUOTE_RATE:
        phrases["speech"] = quoting(phrases["speech"], words, rng)
    order = _in_turn(spans)
    if len(phrases) == 1:
        text = next(iter(phrases.values()))
    elif order and rng.random() < 0.5:
        first, second = order
        text = _choose(_FOLLOWING, rng).format(first=phrases[first], second=phrases[second])
        if rest := [phrase for role, phrase in phrases.items() if role not in order]:
            text = f"{text}, with {enumeration(rest)}"
    else:
        roles = list(phrases)
        first = phrases.pop(
            roles[int(rng.integers(len(roles)))] if rng.random() < 0.3 else roles[0]
        )
        text = _choose(_TOGETHER, rng).format(first=first, rest=enumeration([*phrases.values()]))
    if room:
        text += f", in {room}"
    text = _choose(_OPENINGS, rng) + text
    return f"{text[0].upper()}{text[1:]}{'.' if rng.random() < 0.8 else ''}"


def enumeration(parts: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last


def quoting(voice: str, words: str, rng: np.random.Generator) -> str:
    """A voice ("a man speaking") that says some words, in one of many wordings."""
    for ending in _SPEAKING:
        voice = voice.removesuffix(ending)
    words = words.rstrip(".")
    quoted = f'"{words}"' if rng.random() < 0.7 else words
    verb = _choose(_SAYING, rng)
    if " " in words:
        verb = verb.replace("the word", "the words")
    return f"{voice} {verb} {quoted}"


def _in_turn(spans: Mapping[str, tuple[float, float]]) -> tuple[str, str] | None:
    """Speech and sound effect in the order heard, if one ends before the other begins."""
    if "speech" not in spans or "sfx" not in spans:
        return None
    first, second = sorted(("speech", "sfx"), key=lambda role: spans[role])
    return (first, second) if spans[first][1] <= spans[second][0] else None


def _choose(texts: Sequence[str], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))]
