"""Words of a sentence that name nothing to be heard: requests, and what is excluded."""

import re
from collections.abc import Sequence

from audiogen_jax.refiner.words import CONNECTIVE, PUNCTUATION, QUOTATION, Word

_REQUEST = re.compile(
    r"\s*(?:(?:please|just|imagine|only)[\s,]+)*"
    r"(?:(?:i|we|you)(?:['’]d| would| will| can)? (?:like|want|need|hear|wish)"
    r"(?: to (?:hear|have|get|make))?(?: for)?\b"
    r"|(?:give|let|make|generate|create|produce)\b(?: me\b)?(?: hear\b)?"
    r"|(?:there|here) (?:is|are)\b)?"
    r"(?:\s*(?:(?:a|an|the|some|this|one)\b\s*)?(?:\w+ )?"
    r"(?:sounds?|audio|recordings?|clips?|scenes?|soundscapes?|samples?|effects?)"
    r"(?: clip| recording| scene)? (?:of|where|in which)\b)?",
    re.IGNORECASE,
)
"""The beginning of "Please make the sound of rain"."""
_NEGATIONS = frozenset("no without nor neither nobody nothing never".split())
_GOES_ON = frozenset("or nor".split())
"""Connectives that a negation goes on after."""


def silent_words(text: str, words: Sequence[Word]) -> list[bool]:
    """Whether each word is part of a request ("I want to hear") or excluded ("no music").

    A negation goes on to the next punctuation, or connective other than "or".
    """
    request = _REQUEST.match(text)
    end = 0 if request is None else request.end()
    negated = False
    silent = []
    for word in words:
        written = "" if word.stem == QUOTATION else text[word.start : word.end].casefold()
        if written in _NEGATIONS:
            negated = True
        elif word.gap in (PUNCTUATION, CONNECTIVE) and written not in _GOES_ON:
            negated = False
        silent.append(negated or word.end <= end)
    return silent
