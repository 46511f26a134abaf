"""Manifests of edit pairs, in the form of AudioEdit: `id, type, prompt, input, output` per line.

The files of AudioEdit (https://huggingface.co/datasets/HKUSTAudio/AudioEdit) give one id to the
pairs of a clip, whose types are "add", "remove" and "extract"; paths are relative to the manifest,
and the named sound stands in single quotes in the prompt. How the type of its restyled pairs is
spelled we could not see: see `columns.RESTYLE_TYPES`. Columns of ours say more, and may be missing:
`what`, `to`, `words`, `span` ([start, end] in seconds), `event` and `replacement` (files of the
stems), `duration`, `split`, `negative`.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from audiogen_jax.caption import check_text
from audiogen_jax.files.jsonl import Row, numbered_lines, parse_object
from audiogen_jax.files.remote import join, parse_path, store_errors
from audiogen_jax.input.edits.columns import NEEDED, kind_of, named_sounds
from audiogen_jax.input.manifest import SPLITS
from audiogen_jax.input.row_errors import RowError, check_tolerated, warn_of

_FILES = ("input", "output", "event", "replacement")
Span: TypeAlias = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class EditRecord:
    """One pair of a manifest.

    Attributes:
      name: its id in the manifest, which pairs of other kinds may share.
      kind: one of `columns.KINDS`.
      instruction: what is asked for.
      source, target: files of the clips before and after.
      what: the named sound; "" if neither a column nor quotes in the instruction say it.
      to: what it becomes, of "restyle"; else "".
      words: that are spoken by it, or by what it becomes.
      span: from when to when the named sound is heard, in seconds; None: not known, or never.
      event, replacement: files of the named sound alone and of what it becomes, if there are.
      duration: seconds; None: not known.
      split: "train" or "val".
      negative: whether the named sound is not there.
    """

    name: str
    kind: str
    instruction: str
    source: Path
    target: Path
    what: str = ""
    to: str = ""
    words: str = ""
    span: Span | None = None
    event: Path | None = None
    replacement: Path | None = None
    duration: float | None = None
    split: str = "train"
    negative: bool = False

    @property
    def pair_id(self) -> str:
        """Unique within the manifest."""
        return f"{self.kind}/{self.name}"


def read_pairs(path: str | Path) -> list[EditRecord]:
    """The pairs of a manifest; malformed rows are left out with a warning.

    Raises:
      FileNotFoundError: no such manifest.
      ValueError: it cannot be read, repeats a pair, or has no pairs or too many malformed rows.
    """
    path = parse_path(path)
    with store_errors(path):
        if not path.is_file():
            raise FileNotFoundError(f"no manifest of edit pairs at {path}")
        contents = path.read_bytes()
    records: dict[str, EditRecord] = {}
    errors = []
    for number, line in numbered_lines(contents, path):
        try:
            record = parse_pair(parse_object(line), path.parent)
        except ValueError as error:
            errors.append(RowError(number, f"{path}, line {number}: {error}"))
            continue
        if record.pair_id in records:
            raise ValueError(f"{path}, line {number}: pair {record.pair_id!r} appears twice")
        records[record.pair_id] = record
    if errors:
        total = len(records) + len(errors)
        check_tolerated(len(errors), total, f"rows of {path}", errors[0].message)
    if not records:
        raise ValueError(f"{path} holds no pairs" + (f": {errors[0].message}" if errors else ""))
    warn_of(errors, path)
    return [*records.values()]


def parse_pair(row: Row, folder: Path) -> EditRecord:
    """The record of a row, whose files are relative to a folder.

    Raises:
      ValueError: what is wrong with the row.
    """
    texts = {name: _text(row, name) for name in NEEDED}
    kind = kind_of(texts["type"])
    optional = {name: _text(row, name, "") for name in ("what", "to", "words")}
    what, to = named_sounds(kind, texts["prompt"], optional["what"], optional["to"])
    optional |= {"what": what, "to": to}
    files = {name: _text(row, name, "") for name in _FILES}
    paths = {name: join(folder, file) if file else None for name, file in files.items()}
    source, target = join(folder, texts["input"]), join(folder, texts["output"])
    split = row.get("split", "train")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r:.40}, expected one of {SPLITS}")
    return EditRecord(
        texts["id"],
        kind,
        texts["prompt"],
        source,
        target,
        **optional,
        span=_span(row.get("span")),
        event=paths["event"],
        replacement=paths["replacement"],
        duration=_duration(row.get("duration")),
        split=split,
        negative=row.get("negative") is True,
    )


def pair_row(record: EditRecord, files: Mapping[str, str]) -> Row:
    """The row of a pair, which `parse_pair` reads back.

    Args:
      record: its paths are not written.
      files: "input", "output", and of the stems "event" and "replacement" -> paths relative to the
        manifest.
    """
    row: Row = {"id": record.name, "type": record.kind, "prompt": record.instruction}
    row |= {name: files[name] for name in _FILES if name in files}
    for name in ("what", "to", "words", "span", "duration"):
        if value := getattr(record, name):
            row[name] = list(value) if name == "span" else value
    return row | {"split": record.split, "negative": record.negative}


def _text(row: Row, name: str, default: str | None = None) -> str:
    value = row.get(name)
    if value is None or value == "":
        if default is None:
            raise ValueError(f"missing {[name]}")
        return default
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{name} is a {type(value).__name__}, expected text")
    if isinstance(value, str) and not value.strip():
        raise ValueError(f"{name} is blank")
    check_text(name, str(value))
    return str(value)


def _duration(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"duration is {value!r:.40}, expected seconds above 0")
    return float(value)


def _span(value: object) -> Span | None:
    if value is None:
        return None
    match value:
        case [int() | float() as start, int() | float() as end] if 0 <= start < end < math.inf:
            return float(start), float(end)
    raise ValueError(f"span is {value!r:.40}, expected [start, end] in seconds")
