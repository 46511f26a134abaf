"""Prompt files: jsonl, csv or parquet rows to structured captions.

Three shapes of a row are in use, `{"audio_id", "content": tagged}`, `{"audio_id", "caption":
tagged}` and `{"audio_id", "caption", "speech", "asr", "sfx", "music", "env"}`, and those of two
public caption sets are read as they are published: MECAT (one clip id -> captions per view) and
AudioCaps (audiocap_id, youtube_id, start_time, caption). For models that read more, a row may have
`transcript`, `voice` with `voice_text`, `audio` and `video`; words or a video may stand alone.
"""

import dataclasses
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from audiogen_jax.caption import VIEWS, StructuredCaption, check_text
from audiogen_jax.files.remote import local_copy
from audiogen_jax.input.prompt_columns import MEDIA, SPOKEN, text_columns
from audiogen_jax.input.row_errors import RowError, check_tolerated
from audiogen_jax.input.tables import Table, column
from audiogen_jax.timeline import Timeline, parse_timeline

_MECAT_VIEWS = {
    "caption": "long", "speech": "speech", "sfx": "sound", "music": "music", "env": "environment"
}  # fmt: skip
"""Our view -> the field of a MECAT clip; "None" there says that there is nothing."""
_IDS = ("audio_id", "audiocap_id", "id")
_INPUTS = (*SPOKEN, *MEDIA)
_TEXTS = ("content", "caption", "timeline", "transcript", "video")
_COLUMNS = {*VIEWS, *_TEXTS, *_IDS, *_INPUTS, "category"}
_PUBLISHED = {"youtube_id", "start_time"}
"""Columns of AudioCaps that say nothing of the sound."""


@dataclasses.dataclass(frozen=True)
class PromptRecord:
    """One row of a prompt file.

    Attributes:
      audio_id: of its clip.
      caption: of the scene; None where the timeline has one, or with words or a video.
      category: optional.
      timeline: what sounds when.
      inputs: columns of `prompt_columns`.
    """

    audio_id: str
    caption: StructuredCaption | None
    category: str | None = None
    timeline: Timeline = ()
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        check_text("audio_id", self.audio_id)

    @classmethod
    def from_row(cls, row: Mapping[str, object], default_id: str) -> Self:
        """Reads a row of any of the shapes above; columns of other names are ignored.

        Args:
          row: column name, in any case, to value; blank, None and NaN cells count as absent.
          default_id: the id of a row without one.

        Raises:
          ValueError: no caption, a tagged string beside separate views, or a wrong timeline.
        """
        if len(row) == 1 and isinstance(clip := next(iter(row.values())), Mapping):
            return cls._from_mecat(next(iter(row)), clip)
        cells = _cells({name: row[name] for name in row if column(name) != "timeline"})
        timeline = _timeline(row)
        inputs = text_columns(cells, _INPUTS)
        if timeline and inputs:
            raise ValueError(f"a timeline beside {sorted(inputs)}: it goes with captions alone")
        views = {view: cells[view] for view in VIEWS if cells.get(view)}
        tagged = cells.get("content")
        if tagged is None and "<|" in (views.get("caption") or ""):
            tagged = views.pop("caption")
        if tagged is not None and views:
            raise ValueError(f"a tagged string beside the separate views {sorted(views)}: keep one")
        caption = None
        if tagged is not None:
            caption = StructuredCaption.parse(tagged)
        elif "caption" in views:
            caption = StructuredCaption(**views)  # type: ignore[arg-type]
        elif views or not (
            {"transcript", "video"} & {*inputs} or any(each.view == "caption" for each in timeline)
        ):
            raise ValueError("neither 'content' nor 'caption' holds text")
        audio_id = next((cells[name] for name in _IDS if cells.get(name)), None) or default_id
        return cls(audio_id, caption, cells.get("category"), timeline, inputs)

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


def read_prompts(path: str | Path) -> list[PromptRecord]:
    """Reads a prompt file by its suffix: `.jsonl`, `.csv`, `.tsv` or `.parquet` (needs pyarrow).

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
      ValueError: see `parse_prompts`.
    """
    path = local_copy(path)
    if not path.is_file():
        raise FileNotFoundError(f"no prompt file at {path}")
    return parse_prompts(path.read_bytes(), path)


def parse_prompts(contents: bytes, path: Path) -> tuple[list[PromptRecord], list[RowError]]:
    """`scan_prompts` of a file that has been read; warns of columns that nobody reads.

    Args:
      contents: of the file.
      path: of the file, for its suffix and for errors.

    Raises:
      ValueError: unknown suffix, a file that cannot be read, too many malformed rows, a repeated
        id, or no rows at all.
    """
    table = Table(contents, path, _COLUMNS, _TEXTS)
    records: list[PromptRecord] = []
    errors: list[RowError] = []
    seen: dict[str, int] = {}
    for index, row in enumerate(table.rows()):
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
    if errors:
        total = len(records) + len(errors)
        check_tolerated(len(errors), total, f"rows of {path}", errors[0].message)
    if ignored := [name for name in table.ignored if column(name) not in _PUBLISHED]:
        warnings.warn(f"{path}: columns that are not read: {ignored}", stacklevel=2)
    return records, errors


def _timeline(row: Mapping[str, object]) -> Timeline:
    """The timeline of a row: a list, or JSON in a text."""
    values = [value for name, value in row.items() if column(name) == "timeline"]
    if len(values) > 1:
        raise ValueError("column 'timeline' stands there twice")
    value = values[0] if values else None
    if isinstance(value, str):
        if not value.strip():
            return ()
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"timeline {value!r:.60} is no JSON: {error}") from error
    if value is None or value != value:  # NaN is not itself
        return ()
    return parse_timeline(value)


def _cells(row: Mapping[str, object]) -> dict[str, str | None]:
    """The cells that are read, by the names of their columns in lower case."""
    cells: dict[str, str | None] = {}
    for name, value in row.items():
        if (key := column(name)) not in _COLUMNS:
            continue
        if key in cells:
            raise ValueError(f"column {key!r} stands there twice")
        if value is None or value != value:  # NaN is not itself
            cells[key] = None
        elif key in MEDIA and not isinstance(value, str):  # the media themselves, of other tools
            cells[key] = None
        elif isinstance(value, str | int | float):
            cells[key] = str(value).strip() or None
        else:
            raise ValueError(f"expected text in column {key!r}, got a {type(value).__name__}")
    return cells
