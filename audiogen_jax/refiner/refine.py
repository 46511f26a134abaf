"""A plain sentence to the views of a structured caption, by any refiner."""

from typing import Protocol

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.refiner.clause_refiner import clause_refiner


class Refiner(Protocol):
    """What turns plain sentences into structured captions: rules, a small model or a large one."""

    def refine(self, text: str) -> StructuredCaption:
        """The views that a sentence without tags speaks of; the sentence itself is `caption`.

        Raises:
          ValueError: a sentence that it cannot refine.
        """
        ...


def refine(text: str, refiner: Refiner | None = None) -> StructuredCaption:
    """Turns a plain sentence into a structured caption, offline.

    >>> refine('A man says "seven" while a dog barks in the rain').asr
    'seven'

    Quoted words become `asr`; other views are clauses of the sentence, word for word, or absent.
    What is excluded ("no music") is in no view but the caption. The embedded refiner reads English;
    of a sentence that it does not know the words of, it takes the quoted ones alone.

    Args:
      text: a sentence. One that has tags already is parsed and returned as it is.
      refiner: what reads it; the one embedded in the package if None.

    Raises:
      ValueError: a blank text, half of a character in it, or malformed tags.
    """
    if not text.strip():
        raise ValueError("nothing to refine: give a sentence that says what is heard")
    if "<|" in text:
        return StructuredCaption.parse(text)
    return (refiner or clause_refiner()).refine(text)
