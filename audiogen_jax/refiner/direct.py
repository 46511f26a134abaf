"""Scripts to storyboards: each passage becomes a shot, refined by any refiner."""

import dataclasses
import re
import string

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.refiner.refine import Refiner, refine
from audiogen_jax.refiner.script import Passage, ScriptScene, read_script
from audiogen_jax.refiner.shots import Shot, storyboard
from audiogen_jax.timeline import Timeline

WORDS_PER_SECOND = 2.5
"""Of speech: 150 words a minute."""
CHARACTERS_PER_WORD = 2.0
"""Of Chinese and Japanese: five characters a second."""
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
SHORTEST, LONGEST_ACTION = 3.0, 10.0
"""Seconds of a shot, and of an action however much is told."""
PAUSE = 0.5
"""Seconds of a speech before and after its words, in all."""


def direct(script: str, refiner: Refiner | None = None) -> Timeline:
    """Turns a script into the timeline of a storyboard.

    >>> [event.view for event in direct("Rain falls.\\n\\nANNA\\nWe are late.")]
    ['caption', 'caption']

    Args:
      script: Fountain or plain paragraphs, see `read_script`.
      refiner: what reads the actions; the one embedded in the package if None.

    Returns:
      A caption for each shot, for `audiogen generate --timeline`.

    Raises:
      ValueError: nothing is told or said in it, or it holds half of a character.
    """
    shots = [
        _shot(passage, scene, refiner)
        for scene in read_script(script)
        for passage in scene.passages
    ]
    return storyboard(shots)


def _shot(passage: Passage, scene: ScriptScene, refiner: Refiner | None) -> Shot:
    words = _word_count(passage.text)
    if passage.character is None:
        caption = refine(passage.text, refiner)
        seconds = min(max(SHORTEST, words / WORDS_PER_SECOND), LONGEST_ACTION)
    else:
        caption = _said(passage)
        seconds = max(SHORTEST, PAUSE + words / WORDS_PER_SECOND)
    if scene.place is not None and caption.env is None:
        told = f"{caption.caption.rstrip('.')}. {scene.place.capitalize()}."
        caption = dataclasses.replace(caption, caption=told, env=scene.place)
    return Shot(caption, round(seconds, 2))


def _word_count(text: str) -> float:
    """Words, for the time that they take; of scripts without spaces, characters."""
    unspaced = _UNSPACED.findall(text)
    return len(_UNSPACED.sub(" ", text).split()) + len(unspaced) / CHARACTERS_PER_WORD


def _said(passage: Passage) -> StructuredCaption:
    name = str(passage.character)
    who = string.capwords(name) if name.isupper() else name
    how = "" if passage.manner is None else f", {passage.manner}"
    return StructuredCaption(
        f'{who} says{how}: "{passage.text}"', speech=f"{who}{how}", asr=passage.text
    )
