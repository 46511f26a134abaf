"""Sentences with the views that they speak of: MECAT's captions, and those of this project."""

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from audiogen_jax.evaluate.suites.free_worded import free_prompts
from audiogen_jax.files.jsonl import read_rows
from audiogen_jax.refiner.clauses import LABELS
from audiogen_jax.refiner.words import EMPTY, QUOTATION, Word, words_of
from data.views import AMBIENCE, ESC10
from data.wording import random_caption, wordings

Part = Literal["train", "choice", "test"]
DOMAINS = ("SMA", "0MA", "00A")
FIELDS = {"speech": "speech", "sfx": "sound", "music": "music", "env": "environment"}
"""View -> its name in MECAT."""
VIDEO = 11
"""Characters of a clip's id that name its video."""
Example = tuple[list[Word], str]
"""Words, and the view that all of them belong to."""


@dataclasses.dataclass(frozen=True)
class CaptionedClip:
    """One clip of MECAT.

    Attributes:
      id: of the clip; its video's comes first.
      sentences: about all that is heard.
      views: several phrasings of each; none where there is nothing.
    """

    id: str
    sentences: tuple[str, ...]
    views: dict[str, tuple[str, ...]]


def mecat_clips(folder: Path, part: Part) -> list[CaptionedClip]:
    """The clips of a part of MECAT: 7 in 10 videos to train, 1 to choose settings by, 2 to test.

    Videos of which the test set `wording` of the evaluation has a sentence are in the test part.

    Args:
      folder: with SMA.jsonl and so on.
      part: of the split.

    Raises:
      OSError: a file is missing.
    """
    tested = {row.source.split()[1][:VIDEO] for row in free_prompts() if "mecat" in row.source}
    clips = []
    for domain in DOMAINS:
        for row in read_rows(folder / f"{domain}.jsonl"):
            ((name, texts),) = row.items()
            video = name[:VIDEO]
            if ("test" if video in tested else _part(video)) == part:
                views = {view: _phrasings(texts[field]) for view, field in FIELDS.items()}
                clips.append(CaptionedClip(name, (*texts["long"], *texts["short"]), views))
    return clips


def _part(video: str) -> Part:
    draw = int(hashlib.sha256(video.encode()).hexdigest(), 16) % 10
    return "test" if draw < 2 else "choice" if draw == 2 else "train"


def _phrasings(texts: list[str]) -> tuple[str, ...]:
    return () if texts[0].strip(" .").lower() == "none" else tuple(texts)


def content_words(text: str) -> Counter[str]:
    """The stems of a text that say something, without those of quotations."""
    return Counter(
        word.stem
        for word in words_of(text)
        if word.stem != QUOTATION and text[word.start : word.end].casefold() not in EMPTY
    )


def view_examples(clips: list[CaptionedClip]) -> Iterator[Example]:
    """Every view of clips, as one clause."""
    for clip in clips:
        for view, texts in clip.views.items():
            for text in texts:
                yield words_of(text), view


def written_examples() -> Iterator[Example]:
    """The wordings of `data/wordings`, each as one clause."""
    ambience = {*AMBIENCE, *(label for label, row in ESC10.items() if row[1] == "env")}
    for label, entry in wordings("sounds").items():
        view = "env" if label in ambience else "sfx"
        for text in entry["phrases"] + entry["sentences"]:
            yield words_of(text), view
    for entry in wordings("music").values():
        for text in entry["phrases"] + entry["sentences"]:
            yield words_of(text), "music"
    for places in wordings("scenes")["places"].values():
        for text in places:
            yield words_of(text), "env"
    for entry in wordings("voices").values():
        if "phrases" not in entry:
            continue
        for text in entry["phrases"]:
            yield words_of(text), "speech"
        for text in entry["saying"] + entry["silent"]:
            said = text.replace('"{words}"', "{words}").replace("{words}", '"seven"')
            yield words_of(said.replace("{voice}", entry["phrases"][0])), "speech"


def drawn_examples(count: int) -> Iterator[Example]:
    """The clauses of captions drawn from the wordings, whose views stand in them word for word."""
    for number in range(count):
        caption = random_caption(np.random.default_rng((5, number)))
        text, words = caption.caption, words_of(caption.caption)
        present = {view: getattr(caption, view) for view in LABELS if getattr(caption, view)}
        spans = {
            view: (text.lower().find(phrase.lower()), len(phrase))
            for view, phrase in present.items()
        }
        spans = {view: (at, at + length) for view, (at, length) in spans.items() if at >= 0}
        if not spans and len(present) == 1:
            yield words, next(iter(present))
            continue
        clause: list[Word] = []
        current = None
        for word in words:
            view = next((v for v, (a, b) in spans.items() if a <= word.start < b), None)
            view = "speech" if word.stem == QUOTATION else view
            if view != current:
                if current is not None:
                    yield clause, current
                clause, current = [], view
            clause.append(word)
        if current is not None:
            yield clause, current


@dataclasses.dataclass(frozen=True)
class MarkedSentence:
    """A sentence whose views were marked by hand.

    Attributes:
      source: the caption's number in AudioCaps, or "here".
      text: the sentence.
      views: the marked words of each; absent ones are missing.
      asr: the words that are said.
    """

    source: str
    text: str
    views: dict[str, str]
    asr: str


_MARKS = {"s": "speech", "f": "sfx", "m": "music", "e": "env"}


def marked_sentences(path: Path, part: Part) -> list[MarkedSentence]:
    """Sentences of a file of marked ones, by turns to choose settings by and to test.

    Raises:
      ValueError: a bracket is not closed, or its mark is unknown.
    """
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    rows = []
    for line in lines[{"choice": 0, "test": 1, "train": len(lines)}[part] :: 2]:
        source, _, marked = line.partition("|")
        text, clauses = "", {view: [] for view in LABELS}
        for piece in marked.split("["):
            inside, bracket, after = piece.rpartition("]")
            if bracket:
                clauses[_MARKS[inside[0]]].append(inside[2:])
                inside = inside[2:]
            text += inside + after
        said = re.findall('"([^"]*)"', text)
        views = {view: " ".join(words) for view, words in clauses.items() if words}
        rows.append(MarkedSentence(source, text, views, " ".join(said)))
    return rows
