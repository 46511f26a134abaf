"""Prompt files: jsonl, csv or parquet rows to structured captions.

Three shapes of a row are in use, `{"audio_id", "content": tagged}`, `{"audio_id", "caption":
tagged}` and `{"audio_id", "caption", "speech", "asr", "sfx", "music", "env"}`, and those of two
public caption sets are read as they are published: MECAT (one clip id -> captions per view) and
AudioCaps (audiocap_id, youtube_id, start_time, caption).
"""

import csv
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

from audiogen_jax.caption import VIEWS, StructuredCaption
from audiogen_jax.files.jsonl import numbered_lines, parse_object
from audiogen_jax.files.remote import local_copy

_MECAT_VIEWS = {
    "caption": "long", "speech": "speech", "sfx": "sound", "music": "music", "env": "environment"
}  # fmt: skip
"""Our view -> the field of a MECAT clip; "None" there says that there is nothing."""


@dataclasses.dataclass(frozen=True)
class PromptRecord:
    """One row of a prompt file: a scene, the id of its clip and an optional category."""

    audio_id: str
    caption: StructuredCaption
    category: str | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, object], default_id: str) -> Self:
        """Reads a row of any of the shapes above; columns of other names are ignored.

        Args:
          row: column name to value; blank, None and NaN cells count as absent.
          default_id: the id of a row without one.

        Raises:
          ValueError: no caption, or a tagged string beside separate views.
        """
        if len(row) == 1 and isinstance(clip := next(iter(row.values())), Mapping):
            return cls._from_mecat(next(iter(row)), clip)
        cells = {name: _cell(value) for name, value in row.items()}
        views = {view: cells[view] for view in VIEWS if cells.get(view)}
        tagged = cells.get("content")
        if tagged is None and "<|" in (views.get("caption") or ""):
            tagged = views.pop("caption")
        if tagged is not None and views:
            raise ValueError(f"a tagged string beside the separate views {sorted(views)}: keep one")
        if tagged is None and "caption" not in views:
            raise ValueError("neither 'content' nor 'caption' holds text")
        caption = StructuredCaption(**views) if tagged is None else StructuredCaption.parse(tagged)  # type: ignore[arg-type]
        audio_id = cells.get("audio_id") or cells.get("audiocap_id") or default_id
        return cls(audio_id, caption, cells.get("category"))

    @classmethod
    def _from_mecat(cls, audio_id: str, clip: Mapping[str, object]) -> Self:
        views = {}
        for view, field in _MECAT_VIEWS.items():
            texts = clip.get(field) or []
            text = texts[0] if isinstance(texts, list) and texts else texts
            if isinstance(text, str) and text.strip(" .").lower() not in ("", "none"):
                views[view] = text
        if "caption" not in views:
            raise ValueError(f"clip {audio_id!r} has no 'long' caption")
        return cls(audio_id, StructuredCaption(**views))


@dataclasses.dataclass(frozen=True)
class RowError:
    """A row that is no prompt.

    Attributes:
      row: 0-based number in its file.
      message: what is wrong, with the file and the row.
    """

    row: int
    message: str


def read_prompts(path: str | Path) -> list[PromptRecord]:
    """Reads a prompt file by its suffix: `.jsonl`, `.csv` or `.parquet` (needs pyarrow).

    A row without an id takes its 0-based row number.

    Raises:
      FileNotFoundError: no such file.
      ValueError: unknown suffix, a malformed row (named by its number), or a repeated id.
    """
    records, errors = scan_prompts(path)
    if errors:
        raise ValueError(errors[0].message)
    return records


def scan_prompts(path: str | Path) -> tuple[list[PromptRecord], list[RowError]]:
    """`read_prompts` that sets malformed rows aside instead of stopping at the first.

    Raises:
      FileNotFoundError: no such file.
      ValueError: unknown suffix, a file that cannot be read, a repeated id, or no rows at all.
    """
    path = local_copy(path)
    if not path.is_file():
        raise FileNotFoundError(f"no prompt file at {path}")
    readers = {".jsonl": _jsonl_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}
    if path.suffix not in readers:
        raise ValueError(f"{path}: unknown suffix {path.suffix!r}, expected {sorted(readers)}")
    records: list[PromptRecord] = []
    errors: list[RowError] = []
    seen: dict[str, int] = {}
    for index, row in enumerate(readers[path.suffix](path)):
        try:
            if isinstance(row, ValueError):
                raise row
            record = PromptRecord.from_row(row, default_id=str(index))
        except ValueError as error:
            errors.append(RowError(index, f"{path}, row {index}: {error}"))
            continue
        if (earlier := seen.setdefault(record.audio_id, index)) != index:
            raise ValueError(
                f"{path}, row {index}: audio_id {record.audio_id!r} appears twice, first in row "
                f"{earlier}"
            )
        records.append(record)
    if not records and not errors:
        raise ValueError(f"{path} holds no prompts")
    return records, errors


def _jsonl_rows(path: Path) -> Iterator[Mapping[str, object] | ValueError]:
    for _, line in numbered_lines(path.read_bytes(), path):
        try:
            yield parse_object(line)
        except ValueError as error:
            yield error


def _csv_rows(path: Path) -> Iterator[Mapping[str, object] | ValueError]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if None in row:
                yield ValueError(f"more cells than columns: {_shorten(str(row[None]))}")
            else:
                yield row


def _parquet_rows(path: Path) -> Iterable[Mapping[str, object]]:
    try:
        import pyarrow.parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(
            f"{path}: reading parquet needs pyarrow: pip install pyarrow, or save as .jsonl"
        ) from error
    return pyarrow.parquet.read_table(path).to_pylist()


def _cell(value: object) -> str | None:
    if value is None or value != value:  # NaN is not itself
        return None
    if isinstance(value, list | dict):
        raise ValueError(f"expected text in every column, got {_shorten(str(value))!r}")
    return str(value).strip() or None


def _shorten(text: str, width: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"
