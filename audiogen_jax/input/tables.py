"""Tables of others: rows of jsonl, csv and parquet files, with columns of any case."""

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from audiogen_jax.files.jsonl import numbered_lines, parse_object
from audiogen_jax.files.text import decode_text

if TYPE_CHECKING:
    from _csv import Reader

Rows: TypeAlias = Iterator[Mapping[str, object] | ValueError]
"""The rows of a table, or what is wrong with one."""
SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
_DELIMITERS = ",;\t"
_MOST_IGNORED = 20


def column(name: str) -> str:
    """The name of a column without regard to case and surrounding white space."""
    return name.strip().lower()


class Table:
    """The rows of a file.

    Attributes:
      ignored: columns that nobody reads, complete when the rows have been gone through.
    """

    def __init__(
        self, contents: bytes, path: Path, columns: Collection[str], required: Collection[str]
    ):
        """Nothing is read before `rows`.

        Args:
          contents: of the file.
          path: of the file: its suffix says what it is.
          columns: that are read.
          required: those of which a csv or parquet file must have one; a csv file separates its
            cells by the first of comma, semicolon and tab that makes it so.

        Raises:
          ValueError: unknown suffix.
        """
        self._contents, self._path = contents, path
        self._columns, self._required = columns, required
        self.ignored: dict[str, None] = {}
        readers = (self._jsonl_rows, self._csv_rows, self._csv_rows, self._parquet_rows)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(f"{path}: unknown suffix {path.suffix!r}, expected one of {SUFFIXES}")
        self._rows = dict(zip(SUFFIXES, readers, strict=True))[suffix]

    def rows(self) -> Rows:
        """The rows.

        Raises:
          ValueError: the file cannot be read, or lacks the required columns.
        """
        return self._rows()

    def _jsonl_rows(self) -> Rows:
        for _, line in numbered_lines(self._contents, self._path):
            try:
                row = parse_object(line)
            except ValueError as error:
                yield error
                continue
            if len(self.ignored) < _MOST_IGNORED and len(row) > 1:  # one: its name may be an id
                self._ignore(row)
            yield row

    def _csv_rows(self) -> Rows:
        text = decode_text(self._contents, self._path)
        if not text.strip():
            return
        readers = [csv.reader(io.StringIO(text, ""), delimiter=d, strict=True) for d in _DELIMITERS]
        headers = [self._next_cells(reader) for reader in readers]
        fits = [isinstance(header, list) and self._has_required(header) for header in headers]
        number = fits.index(True) if any(fits) else 0
        reader, header = readers[number], headers[number]
        if not isinstance(header, list):
            raise ValueError(f"{self._path}, line 1: {header}")
        self._check_header(header)
        while (cells := self._next_cells(reader)) is not None:
            if isinstance(cells, ValueError):
                yield cells
            elif len(cells) > len(header):
                yield ValueError(f"more cells than columns: {len(cells)}, not {len(header)}")
            elif cells:
                yield dict(zip(header, cells, strict=False))

    def _next_cells(self, reader: "Reader") -> list[str] | ValueError | None:
        """The cells of the next row, what is wrong with them, or None at the end."""
        start = reader.line_num + 1
        try:
            return next(reader, None)
        except csv.Error as error:
            if reader.line_num > start or "end of data" in str(error):  # it swallows other rows
                raise ValueError(
                    f"{self._path}, line {start}: a quotation mark is not closed ({error})"
                ) from error
            return ValueError(str(error))

    def _parquet_rows(self) -> Rows:
        try:
            import pyarrow  # pyright: ignore[reportMissingImports]
            import pyarrow.parquet  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise ValueError(
                f"{self._path}: reading parquet needs pyarrow: pip install pyarrow, or save as "
                ".jsonl"
            ) from error
        try:
            file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(self._contents))
            names: list[str] = file.schema_arrow.names
            self._check_header(names)
            # Columns of audio and embeddings are not decoded.
            wanted = [name for name in names if column(name) in self._columns]
            for batch in file.iter_batches(columns=wanted):
                yield from batch.to_pylist()
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(
                f"{self._path} is no parquet file, or a damaged one: {error}"
            ) from error

    def _check_header(self, names: list[str]) -> None:
        if not self._has_required(names):
            raise ValueError(
                f"{self._path} has the columns {names}: expected one of {[*self._required]}"
            )
        read = [column(name) for name in names if column(name) in self._columns]
        if twice := {name for name in read if read.count(name) > 1}:
            raise ValueError(f"{self._path} has the columns {names}: {sorted(twice)} twice")
        self._ignore(names)

    def _has_required(self, names: list[str]) -> bool:
        return not {*map(column, names)}.isdisjoint(self._required)

    def _ignore(self, names: Collection[str]) -> None:
        self.ignored |= {name: None for name in names if column(name) not in self._columns}
