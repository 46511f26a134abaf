"""The embedded refiner: the clauses of a sentence, each in its view."""

import dataclasses
import functools
import itertools
import json
from collections.abc import Iterator, Sequence
from importlib import resources

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.refiner.clauses import ClauseModel
from audiogen_jax.refiner.silence import silent_words
from audiogen_jax.refiner.words import QUOTATION, Word, trimmed, words_of


@dataclasses.dataclass(frozen=True)
class ClauseRefiner:
    """Puts the clauses of a sentence into views, word for word; a `Refiner`.

    Attributes:
      model: tells clauses and their views.
    """

    model: ClauseModel

    def refine(self, text: str) -> StructuredCaption:
        """See `refiner.refine.refine`; the text has no tags.

        Raises:
          ValueError: a blank text, or half of a character in it.
        """
        words = words_of(text)
        silent = silent_words(text, words)
        said = [
            text[word.start : word.end].strip(" \t\n,;")
            for word, is_silent in zip(words, silent, strict=True)
            if word.stem == QUOTATION and not is_silent
        ]
        views: dict[str, list[str]] = {}
        if self.model.knows([word for word in words if word.stem != QUOTATION]):
            for run in _audible(words, silent):
                for first, last, view in self.model.clauses(run):
                    if clause := _written(text, run[first:last]):
                        views.setdefault(view, []).append(clause)
        joined = {view: ", ".join(dict.fromkeys(clauses)) for view, clauses in views.items()}
        return StructuredCaption(text, asr=" ".join(said), **joined)


def _audible(words: Sequence[Word], silent: Sequence[bool]) -> Iterator[list[Word]]:
    """The stretches of words between silent ones."""
    pairs = zip(words, silent, strict=True)
    for is_silent, stretch in itertools.groupby(pairs, key=lambda pair: pair[1]):
        if not is_silent:
            yield [word for word, _ in stretch]


def _written(text: str, words: Sequence[Word]) -> str:
    """Words as they stand in the text, without quotations and words that say nothing."""
    stretches = []
    for quoted, stretch in itertools.groupby(words, key=lambda word: word.stem == QUOTATION):
        if not quoted and (clause := trimmed(text, [*stretch])):
            stretches.append(text[clause[0].start : clause[-1].end])
    return " ".join(stretches)


@functools.cache
def clause_refiner() -> ClauseRefiner:
    """The refiner that ships with the package."""
    file = resources.files("audiogen_jax.refiner").joinpath("weights.json")
    return ClauseRefiner(ClauseModel(**json.loads(file.read_text("utf-8"))))
