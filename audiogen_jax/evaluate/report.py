"""Results as one JSON file with their protocol, and as tables."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import rich.table
from rich.console import Console

from audiogen_jax.evaluate.suite import Table
from audiogen_jax.files.atomic import check_writable, write_text

PROTOCOL_FIELDS = (
    "checkpoint",
    "checkpoint_sha256",
    "manifest_sha256",
    "seed",
    "versions",
    "hardware",
    "git_commit",
)


def check_report_path(path: str | Path, suffix: str) -> None:
    """Checks, before any work, that a report can be written.

    Raises:
      ValueError: it has another suffix.
      OSError: it cannot be written.
    """
    if Path(path).suffix != suffix:
        raise ValueError(f"{path}: the report is written as {suffix}")
    check_writable(path)


def write_report(
    path: str | Path,
    protocol: Mapping[str, object],
    results: Mapping[str, object],
    fields: Sequence[str] = PROTOCOL_FIELDS,
) -> None:
    """Writes `{"protocol": …, "results": …}`; the file is whole or absent.

    Args:
      path: `.json`; missing folders are made.
      protocol: at least these fields.
      results: nested mappings and lists of numbers, strings and dataclasses of them; a number that
        is not finite becomes null, which JSON can hold.
      fields: without which a number is no result.

    Raises:
      ValueError: a field of the protocol is missing, or another suffix.
      OSError: the file cannot be written.
    """
    path = Path(path)
    check_report_path(path, ".json")
    if missing := [name for name in fields if name not in protocol]:
        raise ValueError(f"the protocol lacks {missing}: a number without them is no result")
    report = {"protocol": plain(protocol), "results": plain(results)}
    write_text(path, json.dumps(report, indent=1, allow_nan=False) + "\n")


def print_report(
    tables: Sequence[Table], notes: Sequence[str] = (), console: Console | None = None
) -> None:
    """Prints tables, numbers with three decimals and "-" where there is none, and notes below."""
    console = console or Console()
    for table in tables:
        printed = rich.table.Table(*table.columns, title=table.title)
        for row in table.rows:
            printed.add_row(*map(shown, row))
        console.print(printed)
    for note in notes:
        console.print(note, markup=False, highlight=False)


def shown(value: str | float | None) -> str:
    """A cell of a table: numbers with three decimals, "-" where there is none."""
    if value is None or value != value:  # NaN is not itself
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def plain(value: object) -> object:
    """What JSON holds: dataclasses and named tuples become mappings, other numbers null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())  # pyright: ignore
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
