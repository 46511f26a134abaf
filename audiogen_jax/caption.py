"""Structured captions: six views of one audio scene, written as one tagged string.

`<|caption|> a busy kitchen <|speech|> a calm woman <|asr|> dinner is ready <|env|> indoors`

Tags are written in the order of `VIEWS`; any order is read. The caption view is required.
"""

import csv
import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

VIEWS = ("caption", "speech", "asr", "sfx", "music", "env")
"""The views in the order in which they are written."""

_TAG = re.compile(r"<\|([^<>|]*)\|>")


@dataclasses.dataclass(frozen=True)
class StructuredCaption:
    """One audio scene seen six ways; absent views are None.

    Surrounding white space is removed and blank views become None, so that two captions
    are equal exactly when their tagged strings are.

    Attributes:
      caption: what is heard overall (required).
      speech: how the speech sounds (voices, emotion, language).
      asr: the words that are spoken.
      sfx: sound events.
      music: the music.
      env: the acoustic environment.

    Raises:
      ValueError: the caption is empty, or a view contains a `<|tag|>`.
    """

    caption: str
    speech: str | None = None
    asr: str | None = None
    sfx: str | None = None
    music: str | None = None
    env: str | None = None

    def __post_init__(self):
        for view in VIEWS:
            value = getattr(self, view)
            text = "" if value is None else str(value).strip()
            if tag := _TAG.search(text):
                raise ValueError(
                    f"view {view!r} contains the tag {tag[0]!r}: give each view as plain text, "
                    "or the whole tagged string to parse()"
                )
            object.__setattr__(self, view, text or None)
        if self.caption is None:
            raise ValueError("the caption view is empty: describe the scene after <|caption|>")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a tagged string; see `parse`."""
        pieces = _TAG.split(text)
        if len(pieces) == 1:
            raise ValueError(
                f"no <|caption|> tag in {_shorten(text)!r}: expected a tagged string such as "
                "'<|caption|> a dog barks <|env|> a quiet street'"
            )
        if pieces[0].strip():
            raise ValueError(f"text before the first tag: {_shorten(pieces[0])!r}")
        views: dict[str, str] = {}
        for tag, value in zip(pieces[1::2], pieces[2::2], strict=True):
            if tag not in VIEWS:
                known = " ".join(f"<|{view}|>" for view in VIEWS)
                raise ValueError(f"unknown tag <|{tag}|>: expected one of {known}")
            if tag in views:
                raise ValueError(f"tag <|{tag}|> appears twice: give each view once")
            views[tag] = value
        if "caption" not in views:
            raise ValueError(f"no <|caption|> view in {_shorten(text)!r}: every prompt needs one")
        return cls(**views)

    def format(self) -> str:
        """The tagged string, views in the order of `VIEWS`; `parse` reads it back exactly."""
        present = ((view, getattr(self, view)) for view in VIEWS)
        return " ".join(f"<|{view}|> {text}" for view, text in present if text is not None)

    def drop_views(self, rng: np.random.Generator, rate: float = 0.2) -> Self:
        """Drops every view but the caption with probability `rate`, each on its own draw.

        Args:
          rng: five numbers are drawn from it, whichever views are present.
          rate: probability of dropping a view, in [0, 1].
        """
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"rate={rate} must be a probability in [0, 1]")
        dropped = rng.random(len(VIEWS) - 1) < rate
        return dataclasses.replace(
            self, **{view: None for view, drop in zip(VIEWS[1:], dropped, strict=True) if drop}
        )


def compose(
    caption: Any = None,
    speech: Any = None,
    asr: Any = None,
    sfx: Any = None,
    music: Any = None,
    env: Any = None,
    *,
    prompt: str | None = None,
) -> str:
    """Writes the tagged string of a scene; blank or None views are left out.

    Args:
      caption, speech, asr, sfx, music, env: the views; other types are written with `str`.
      prompt: a string that is tagged already: it wins over the views, is checked, and is
        returned as written but for surrounding white space.

    Raises:
      ValueError: no caption, or a malformed `prompt`.
    """
    if prompt is not None:
        StructuredCaption.parse(prompt)
        return prompt.strip()
    return StructuredCaption(caption, speech, asr, sfx, music, env).format()  # type: ignore[arg-type]


def parse(text: str) -> StructuredCaption:
    """Reads a tagged string, tags in any order.

    Raises:
      ValueError: text before the first tag, an unknown or repeated tag, or no caption.
    """
    return StructuredCaption.parse(text)


@dataclasses.dataclass(frozen=True)
class PromptRecord:
    """One row of a prompt file: a scene, the id of its clip and an optional category."""

    audio_id: str
    caption: StructuredCaption
    category: str | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any], default_id: str) -> Self:
        """Reads any of the three row shapes in use; columns of other names are ignored.

        `{"audio_id", "content": tagged}`, `{"audio_id", "caption": tagged}` or
        `{"audio_id", "caption", "speech", "asr", "sfx", "music", "env"}`.

        Args:
          row: column name to value; blank, None and NaN cells count as absent.
          default_id: the id of a row without `audio_id`.

        Raises:
          ValueError: no caption, or a tagged string beside separate views.
        """
        cells = {name: _cell(value) for name, value in row.items()}
        views = {view: cells[view] for view in VIEWS if cells.get(view)}
        tagged = cells.get("content")
        if tagged is None and _TAG.search(views.get("caption") or ""):
            tagged = views.pop("caption")
        if tagged is not None and views:
            raise ValueError(f"a tagged string beside the separate views {sorted(views)}: keep one")
        if tagged is None and "caption" not in views:
            raise ValueError("neither 'content' nor 'caption' holds text")
        caption = StructuredCaption(**views) if tagged is None else StructuredCaption.parse(tagged)  # type: ignore[arg-type]
        return cls(cells.get("audio_id") or default_id, caption, cells.get("category"))


def read_prompts(path: str | Path) -> list[PromptRecord]:
    """Reads a prompt file by its suffix: `.jsonl`, `.csv` or `.parquet` (needs pyarrow).

    A row without `audio_id` takes its 0-based row number.

    Raises:
      FileNotFoundError: no such file.
      ValueError: unknown suffix, a malformed row (named by its number), or a repeated id.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no prompt file at {path}")
    readers = {".jsonl": _jsonl_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}
    if path.suffix not in readers:
        raise ValueError(f"{path}: unknown suffix {path.suffix!r}, expected {sorted(readers)}")
    records: list[PromptRecord] = []
    seen: set[str] = set()
    for index, row in enumerate(readers[path.suffix](path)):
        try:
            record = PromptRecord.from_row(row, default_id=str(index))
        except ValueError as error:
            raise ValueError(f"{path}, row {index}: {error}") from error
        if record.audio_id in seen:
            raise ValueError(f"{path}, row {index}: audio_id {record.audio_id!r} appears twice")
        seen.add(record.audio_id)
        records.append(record)
    if not records:
        raise ValueError(f"{path} holds no prompts")
    return records


def _jsonl_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    lines = (line for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip())
    for index, line in enumerate(lines):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, row {index}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path}, row {index}: expected a JSON object, got {_shorten(line)!r}")
        yield row


def _csv_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def _parquet_rows(path: Path) -> Iterable[Mapping[str, Any]]:
    try:
        import pyarrow.parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(
            f"{path}: reading parquet needs pyarrow: pip install pyarrow, or save as .jsonl"
        ) from error
    return pyarrow.parquet.read_table(path).to_pylist()


def _cell(value: Any) -> str | None:
    if value is None or value != value:  # NaN is not itself
        return None
    if isinstance(value, list | dict):
        raise ValueError(f"expected text in every column, got {_shorten(str(value))!r}")
    return str(value).strip() or None


def _shorten(text: str, width: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"
