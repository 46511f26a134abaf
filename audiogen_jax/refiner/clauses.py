"""Clauses of a sentence, each with the view that it belongs to, by a linear model of words."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from audiogen_jax.refiner.words import PUNCTUATION, QUOTATION, Word

LABELS = ("speech", "sfx", "music", "env")
Scores = Float[np.ndarray, "l v"]


class Clause(NamedTuple):
    """Words `first` to `last` (excluded) of a sentence, and the view that they belong to."""

    first: int
    last: int
    view: str


@dataclasses.dataclass(frozen=True)
class ClauseModel:
    """Linear scores of words and of pairs of words, and what it costs to begin a clause.

    Attributes:
      weights: stem, or two stems with a space between them -> a score for each of `LABELS`.
      unknown: the scores of other words.
      costs: of a clause of another view that begins at each kind of gap, see `words`.
    """

    weights: Mapping[str, Sequence[float]]
    unknown: Sequence[float]
    costs: Sequence[float]

    def knows(self, words: Sequence[Word]) -> bool:
        """Whether at least half of the words are known: the language is that of the model."""
        known = [word.stem in self.weights for word in words]
        return 2 * sum(known) >= len(known) > 0

    def clauses(self, words: Sequence[Word], evidence: Scores | None = None) -> list[Clause]:
        """The clauses of highest score, by dynamic programming (Viterbi 1967).

        Args:
          words: at least one.
          evidence: float [words views], added to the scores: what else is known of the words.
        """
        single, pair = self._scores(words)
        if evidence is not None:
            single = single + evidence
        views = np.arange(len(LABELS))
        best, sources = single[0], []
        for word, alone, joined in zip(words[1:], single[1:], pair[1:], strict=True):
            stays, begins = best + joined, best.max() - self.costs[word.gap]
            sources.append(np.where(stays >= begins, views, best.argmax()))
            best = alone + np.maximum(stays, begins)
        path = [int(best.argmax())]
        for source in reversed(sources):
            path.append(int(source[path[-1]]))
        return list(_grouped(path[::-1]))

    def _scores(self, words: Sequence[Word]) -> tuple[Scores, Scores]:
        """Of each word by itself, and of its pair with the one before it."""
        nothing = (0.0,) * len(LABELS)
        single = [self.weights.get(word.stem, self.unknown) for word in words]
        pair = [self.weights.get(name or "", nothing) for name in pairs(words)]
        return np.array(single), np.array(pair)


def pairs(words: Sequence[Word]) -> list[str | None]:
    """The feature of each word with the one before it.

    None: the first one, or one that punctuation divides from it, unless that is of a quotation.
    """
    names: list[str | None] = [None] * len(words)
    for number in range(1, len(words)):
        before, word = words[number - 1], words[number]
        if word.gap != PUNCTUATION or QUOTATION in (before.stem, word.stem):
            names[number] = f"{before.stem} {word.stem}"
    return names


def _grouped(path: Sequence[int]) -> Iterator[Clause]:
    first = 0
    for view, group in itertools.groupby(path):
        last = first + len(list(group))
        yield Clause(first, last, LABELS[view])
        first = last
