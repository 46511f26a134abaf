"""Which clips are held out for validation: whole recordings and whole speakers.

Nothing a model hears in training may come from the same recording as a validation clip. Speakers
are held out whole too, but for the digits: one speaker entirely (`held_out` = "speaker") and some
takes of the others ("take"), so that known and unknown voices can be measured apart. A class is
held out only in part: every label of the validation split is also in the training split.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

ESC10_FOLD = 4
DIGIT_SPEAKER = "yweweler"
DIGIT_TAKES = 2
"""Takes per digit held out of each other speaker (of 18)."""
SPEAKERS = {"p226", "2412", "aew"}
"""Read speech: a man and a woman of two corpora, and a third accent."""
FRACTION = 0.15
"""Of the recordings (of the speakers, for words) of the sets that name no fold."""


def recording_of(source: str, row: Mapping[str, Any]) -> str:
    """Name of the recording that a clip was cut from; stems of one song are one recording."""
    if source == "esc10":
        return f"freesound:{row['freesound_id']}"
    name = row.get("source_recording") or row["path"]
    if source == "music":
        name = name.removesuffix("_mix").removesuffix("_guitar")
    return f"{source}:{name}"


def held_out(source: str, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Chooses the validation clips of one set, by content and not by order.

    Args:
      source: name of the set.
      rows: all clips of the set.

    Returns:
      Path of each validation clip -> "recording", "speaker" or "take".
    """
    if source == "esc10":
        return {row["path"]: "recording" for row in rows if row["fold"] == ESC10_FOLD}
    if source == "speech":
        return {row["path"]: "speaker" for row in rows if row["speaker"] in SPEAKERS}
    if source == "fsdd":
        return _held_out_digits(rows)
    if source == "words":
        groups = {row["path"]: row["speaker"] for row in rows}
        return dict.fromkeys(_some_groups(source, rows, groups), "speaker")
    groups = {row["path"]: recording_of(source, row) for row in rows}
    return dict.fromkeys(_some_groups(source, rows, groups), "recording")


def check_no_leak(rows: Iterable[Mapping[str, Any]]) -> None:
    """Checks that no recording, and no speaker but for held-out takes, is on both sides.

    Raises:
      ValueError: names the first that is.
    """
    sides: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        sides[f"recording {row['recording']}"].add(row["split"])
        if row["speaker"] and row.get("held_out") != "take":
            sides[f"speaker {row['speaker']}"].add(row["split"])
    if leaks := sorted(name for name, splits in sides.items() if len(splits) > 1):
        raise ValueError(f"{len(leaks)} groups are in both splits, first {leaks[0]!r}")


def _held_out_digits(rows: list[dict[str, Any]]) -> dict[str, str]:
    chosen = {row["path"]: "speaker" for row in rows if row["speaker"] == DIGIT_SPEAKER}
    takes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row["speaker"] != DIGIT_SPEAKER:
            takes[row["speaker"], row["label"]].append(row["path"])
    for paths in takes.values():
        chosen |= dict.fromkeys(sorted(paths, key=_hash)[:DIGIT_TAKES], "take")
    return chosen


def _some_groups(source: str, rows: list[dict[str, Any]], group_of: Mapping[str, str]) -> list[str]:
    """Paths of about `FRACTION` of the groups, leaving every label at least one group."""
    kind = "genre" if source == "music" else "label"
    labels: dict[str, set[str]] = defaultdict(set)
    groups: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        group = group_of[row["path"]]
        labels[group].add(row[kind])
        groups[row[kind]].add(group)
    chosen: set[str] = set()
    for group in sorted(labels, key=lambda group: _hash(f"{source}/{group}")):
        if len(chosen) >= FRACTION * len(labels):
            break
        if all(len(groups[label] - chosen) > 1 for label in labels[group]):
            chosen.add(group)
    return [row["path"] for row in rows if group_of[row["path"]] in chosen]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
