"""Rows of AudioEdit: what they ask for, and the same as rows of a manifest of clips."""

import re
from collections.abc import Mapping
from pathlib import Path

import soundfile

from audiogen_jax.files.jsonl import Row
from audiogen_jax.files.remote import join

RESTYLE_TYPES = ("restyle", "transfer", "style_transfer", "style transfer")
"""Spellings of "restyle" in the column `type`; the first is written."""
KINDS = ("add", "remove", "extract", "restyle")
"""What can be asked for: to put a sound into a clip, to take it out, to keep it alone, or to have
another one in its place."""
NEEDED = ("id", "type", "prompt", "input", "output")
_QUOTED = re.compile(r"'([^']+)'")


def kind_of(text: str) -> str:
    """The kind that the column `type` names.

    Raises:
      ValueError: none.
    """
    kind = text.strip().lower()
    kind = "restyle" if kind in RESTYLE_TYPES else kind
    if kind not in KINDS:
        raise ValueError(f"type is {text!r:.40}, expected one of {KINDS}")
    return kind


def named_sounds(kind: str, prompt: str, what: str = "", to: str = "") -> tuple[str, str]:
    """The named sound and what it becomes: said by columns, or in single quotes in the prompt."""
    quoted = _QUOTED.findall(prompt)
    if kind == "restyle" and len(quoted) > 1:
        to = to or quoted[1]
    return what or (quoted[0] if quoted else ""), to


def is_pair(row: Mapping[str, object]) -> bool:
    """Is a row one of a manifest of pairs, and none of clips?"""
    return "path" not in row and all(name in row for name in NEEDED)


def as_clip_row(row: Row, folder: Path) -> Row:
    """A row of a manifest of clips: the result of an edit, whose source and sounds are columns.

    Args:
      row: of a manifest of pairs.
      folder: that its files are relative to.

    Raises:
      OSError, ValueError: no such kind, or no duration and no file to ask for one.
    """
    kind, prompt = kind_of(str(row["type"])), str(row["prompt"])
    columns = (value if isinstance(value := row.get(name), str) else "" for name in ("what", "to"))
    what, to = named_sounds(kind, prompt, *columns)
    duration = row.get("duration")
    if duration is None:
        path = join(folder, str(row["output"]))
        try:
            duration = soundfile.info(str(path)).duration
        except soundfile.SoundFileError as error:
            raise ValueError(f"no duration, and {path} does not say it: {error}") from error
    clip: Row = {
        "audio_id": f"{kind}/{row['id']}",
        "path": row["output"],
        "duration": duration,
        "caption": prompt,
        "edit": kind,
        "source": row["input"],
        "what": what,
        "split": row.get("split", "train"),
    }
    return clip | ({"to": to} if to else {})
