"""Captions of the recordings in a folder: from a table, from files beside them, from names."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from audiogen_jax.caption import VIEWS, StructuredCaption
from audiogen_jax.files.jsonl import Row, parse_object
from audiogen_jax.files.text import decode_text
from audiogen_jax.input.recordings import RecordingFinder
from audiogen_jax.input.tables import Table, column

FILE_COLUMNS = (
    *("file_name", "filename", "file name", "file", "path", "audio_path", "audio_file", "audio"),
    *("wav", "audio_id", "id"),
)
"""Names of a column that says which recording a row is about."""
_OTHER_NAMES = {
    "caption": ("content", "text", "description", "label", "category"),
    "asr": ("transcript", "transcription"),
}
"""Of the columns of views, where a table has none of the name."""
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "test"), "val"),
}
_JOINERS = "\u200c\u200d"
_SAYS_NOTHING = {"audio", "clip", "file", "rec", "recording", "sample", "sound", "take", "track"}

_MANY = 9
"""Columns of phrasings of a view, such as caption_1 to caption_9."""
_PHRASINGS = {
    view: (view, *(f"{view}{mark}{n}" for n in range(_MANY + 1) for mark in ("", "_", " ")))
    for view in VIEWS
}
_COLUMNS = {
    *FILE_COLUMNS,
    "split",
    *(name for names in (*_PHRASINGS.values(), *_OTHER_NAMES.values()) for name in names),
}

Views: TypeAlias = dict[str, list[str]]


class Captions:
    """What is known of each recording of a folder."""

    def __init__(self, folder: Path, paths: Sequence[PurePosixPath], table: str | Path | None):
        """Reads the table.

        Args:
          folder: of the recordings.
          paths: of the recordings, relative to it.
          table: .csv, .jsonl or .parquet.

        Raises:
          FileNotFoundError: there is no such table.
          ValueError: it is malformed, names no recordings or describes none of those in the folder.
        """
        self._folder, self._table = folder, table
        self._rows: dict[PurePosixPath, list[Row]] = {}
        self._origin: Counter[str] = Counter()
        self._notes: list[str] = []
        if table is not None:
            self._read_table(paths, Path(table))

    def of(self, path: PurePosixPath) -> dict[str, str | list[str]]:
        """The views of a recording, as in a manifest, and its split if a table has that.

        Raises:
          ValueError: there is no caption, another split, or what stands beside it is malformed.
        """
        rows = self._rows.get(path) or self._beside(path)
        if not rows and self._table is None:
            text, origin = _from_name(path, self._folder)
            self._origin[origin] += 1
            return {"caption": text}
        views: Views = {}
        for row in rows:
            for view, texts in _views(row).items():
                known = views.setdefault(view, [])
                known += [text for text in texts if text not in known]
        if "caption" not in views:
            where = f"in {self._table}" if self._table is not None else "beside it"
            raise ValueError(f"has no caption {where}")
        self._origin[f"from {self._table}" if path in self._rows else "from files beside them"] += 1
        described: dict[str, str | list[str]] = {
            view: texts[0] if len(texts) == 1 else texts for view, texts in views.items()
        }
        given = {str(row["split"]).strip().lower() for row in rows if row.get("split") is not None}
        if unknown := sorted(given - {"", *_SPLITS}):
            raise ValueError(f"is of the split {unknown[0]!r}: expected one of {[*_SPLITS]}")
        splits = {_SPLITS[name] for name in given - {""}}
        return described | ({"split": "val" if "val" in splits else "train"} if splits else {})

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Where the captions of these rows of a manifest come from, and what is odd."""
        origins = [f"{count} {origin}" for origin, count in self._origin.most_common()]
        notes = [f"captions: {', '.join(origins)}", *self._notes]
        captions = {str(row["caption"]) for row in rows}
        if len(captions) == 1 < len(rows):
            notes.append(
                f"every clip has the same caption {captions.pop()!r}: give --captions FILE, or "
                "write a .txt file beside each recording"
            )
        return notes

    def _beside(self, path: PurePosixPath) -> list[Row]:
        """What files of the same name say."""
        rows: list[Row] = []
        for suffix in (".json", ".txt"):
            file = self._folder / path.with_suffix(suffix)
            if not file.is_file():
                continue
            try:
                text = decode_text(file.read_bytes(), file.name).strip()
                rows.append(parse_object(text) if suffix == ".json" else {"caption": text})
            except ValueError as error:
                raise ValueError(f"{file.name} beside it cannot be read: {error}") from error
        return rows

    def _read_table(self, paths: Sequence[PurePosixPath], table: Path) -> None:
        find = RecordingFinder(paths)
        strangers: list[str] = []
        for number, row in enumerate(_table_rows(table)):
            known = next((row[name] for name in FILE_COLUMNS if name in row), None)
            if known is None:
                raise ValueError(
                    f"{table}, row {number} names no recording: expected one of {FILE_COLUMNS}, "
                    f"found {list(row)}"
                )
            name = str(known)
            path = find(name, f"{table}: {name!r}")
            if path is None:
                strangers.append(name)
            else:
                self._rows.setdefault(path, []).append(row)
        if not self._rows:
            raise ValueError(
                f"{table} describes none of the {len(paths)} recordings in {self._folder}: it is "
                f"about {strangers[:2]}, there is {str(paths[0])!r}"
            )
        if strangers:
            self._notes.append(
                f"{len(strangers)} rows of {table} are about recordings that are not there, first "
                f"{strangers[0]!r}"
            )


def _table_rows(path: Path) -> Iterator[Row]:
    """The rows of a table by the names of its columns in lower case, without blank cells."""
    if not path.is_file():
        raise FileNotFoundError(f"no table of captions at {path}")
    table = Table(path.read_bytes(), path, _COLUMNS, FILE_COLUMNS)
    for number, row in enumerate(table.rows()):
        if isinstance(row, ValueError):
            raise ValueError(f"{path}, row {number}: {row}") from row
        yield {
            column(str(name)): value
            for name, value in row.items()
            if isinstance(value, str | list | int | float) and str(value).strip()
        }


def _views(row: Mapping[str, object]) -> Views:
    """The views of a row; a tagged string stands for several."""
    views: Views = {}
    for view in VIEWS:
        columns = [name for name in _PHRASINGS[view] if name in row]
        if not columns:
            columns = [name for name in _OTHER_NAMES.get(view, ()) if name in row][:1]
        for name in columns:
            value = row[name]
            for each in value if isinstance(value, list) else [value]:
                text = " ".join(str(each).split())
                if name in ("label", "category"):
                    text = text.replace("_", " ")
                parsed = vars(StructuredCaption.parse(text)) if "<|" in text else {view: text}
                for part, phrase in parsed.items():
                    if phrase:
                        views.setdefault(part, []).append(phrase)
    return views


def _from_name(path: PurePosixPath, folder: Path) -> tuple[str, str]:
    """A caption made of a name, and whose name it is: folders are classes more often than not."""
    if path.parent.name and (text := _words(path.parent.name)):
        return text, "after their folders"
    if text := _words(path.stem):
        return text, "after their names"
    return _words(folder.resolve().name) or "a sound", "after the folder of all"


def _words(name: str) -> str:
    """The words of a name of a file: "dog_bark-03" is "dog bark".

    Marks are parts of words, as the vowels of many scripts are; single letters say something in
    those alone.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    letters = (c if unicodedata.category(c)[0] in "LM" or c in _JOINERS else " " for c in spaced)
    words = [word for word in "".join(letters).split() if len(word) > 1 or not word.isascii()]
    return " ".join(words) if {word.lower() for word in words} - _SAYS_NOTHING else ""
