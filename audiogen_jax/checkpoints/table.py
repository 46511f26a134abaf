"""Tables whose rows are imported when they are asked for, so that a family costs nothing unused."""

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TypeVar

Row = TypeVar("Row")


class Table(MutableMapping[str, Row]):
    """Rows by model type, to which others may be added.

    Args:
      rows: each a row, or where it stands: "module:name".
    """

    def __init__(self, rows: Mapping[str, Row | str]):
        self._rows = dict(rows)

    def __getitem__(self, key: str) -> Row:
        row = self._rows[key]
        if isinstance(row, str):
            module, _, name = row.partition(":")
            self._rows[key] = row = getattr(importlib.import_module(module), name)
        return row  # pyright: ignore[reportReturnType] (no row is a string)

    def __setitem__(self, key: str, row: Row) -> None:
        self._rows[key] = row

    def __delitem__(self, key: str) -> None:
        del self._rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
