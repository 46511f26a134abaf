"""The words of a sentence, and between which of them a clause may begin."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from audiogen_jax.refiner.quotes import quotations

QUOTATION = '"'
"""The stem of words that are said."""
DISTANCE = "~"
"""The stem of phrases such as "in the background"."""
PUNCTUATION, CONNECTIVE, PREPOSITION, ANYWHERE, NOWHERE = range(5)
"""Where a clause may begin, the likeliest first."""
CONNECTIVES = frozenset(
    "and or but nor while whilst as with when where who which that then before after until during "
    "over under above below behind beneath beside besides amid amidst among against along "
    "alongside atop plus featuring followed accompanied punctuated interspersed mixed layered "
    "overlaid combined backed joined set marred including underneath underlying without "
    "alternating alternates".split()
)
PREPOSITIONS = frozenset(
    "in inside within at on near by from through across into outside indoors outdoors around "
    "throughout of to for".split()
)
NEUTRAL = CONNECTIVES | frozenset("a an the is are there also its their this that".split())
"""Words of all kinds of clauses."""
EMPTY = NEUTRAL | PREPOSITIONS
"""Words that say nothing of a sound by themselves."""
_LEADING = CONNECTIVES | frozenset("by to of also there is are".split())
_TRAILING = EMPTY - frozenset("outside indoors outdoors inside".split())
_PHRASE = (
    r"in the (?:background|foreground|distance)|back and forth|(?:on|up|over) and (?:off|down|over)"
)
_WORD = re.compile(rf"\b(?P<phrase>{_PHRASE})\b|[^\W_]+(?:['’\-][^\W_]+)*", re.IGNORECASE)
_STOP = re.compile(r"[.,;:!?()\[\]\n–—…。，、；：！？]|\s[-+|/&]\s")
_ENDINGS = ("ing", "ed", "es", "s")
_SHORTEST = 3
"""Characters that are left of a word without its ending."""


class Word(NamedTuple):
    """A word of a sentence, all words of a quotation, or a phrase that belongs to what it follows.

    Attributes:
      start, end: in the text, in characters.
      stem: what the forms of a word share, `QUOTATION` or `DISTANCE`.
      gap: where a clause may begin before it.
    """

    start: int
    end: int
    stem: str
    gap: int


def words_of(text: str) -> list[Word]:
    """The words of a text from left to right."""
    quoted = quotations(text)
    spans = [(start, end, QUOTATION) for start, end in quoted]
    edges = [0, *(edge for span in quoted for edge in span), len(text)]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        for match in _WORD.finditer(text, start, end):
            spans.append((*match.span(), DISTANCE if match["phrase"] else stem(match[0])))
    words: list[Word] = []
    before = 0
    for start, end, root in sorted(spans):
        words.append(Word(start, end, root, _gap(text[before:start], text[start:end], root)))
        before = end
    return words


def _gap(between: str, written: str, root: str) -> int:
    if root == DISTANCE:
        return NOWHERE
    if _STOP.search(between):
        return PUNCTUATION
    if root != QUOTATION and written.casefold() in CONNECTIVES:
        return CONNECTIVE
    if root != QUOTATION and written.casefold() in PREPOSITIONS:
        return PREPOSITION
    return ANYWHERE


def stem(word: str) -> str:
    """What the forms of an English word share: "barks", "barked" and "barking" are "bark"."""
    word = re.sub(r"['’]s?$", "", word.casefold())
    ending = next((end for end in _ENDINGS if word.endswith(end)), "")
    if ending and len(word) - len(ending) >= _SHORTEST and not word.endswith("ss"):
        word = word.removesuffix(ending)
    if len(word) > _SHORTEST and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]  # running
    if len(word) > _SHORTEST and word.endswith("e"):
        word = word[:-1]
    return f"{word[:-1]}i" if len(word) >= _SHORTEST and word.endswith("y") else word


def trimmed(text: str, words: Sequence[Word]) -> Sequence[Word]:
    """Words without those at their ends that say nothing there, such as "while" and "of the"."""
    written = [text[word.start : word.end].casefold() for word in words]
    first, last = 0, len(words)
    while first < last and written[first] in _LEADING:
        first += 1
    while first < last and written[last - 1] in _TRAILING:
        last -= 1
    return words[first:last]
