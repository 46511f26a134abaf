"""Tables and notes of a report as Markdown."""

from collections.abc import Sequence
from pathlib import Path

from audiogen_jax.evaluate.report import shown
from audiogen_jax.evaluate.suite import Table
from audiogen_jax.files.atomic import write_text


def write_markdown(path: str | Path, tables: Sequence[Table], notes: Sequence[str] = ()) -> None:
    """Writes tables with what has to be said of them; the file is whole or absent.

    Args:
      path: `.md`; missing folders are made.
      tables: see `print_report`.
      notes: a list below the tables.

    Raises:
      OSError: the file cannot be written.
    """
    sections = [to_markdown(table) for table in tables]
    if notes:
        sections.append("".join(f"- {_escaped(note)}\n" for note in notes))
    write_text(path, "\n".join(sections))


def to_markdown(table: Table) -> str:
    """A table with its title as a heading; "-" where there is no number."""
    lines = [
        f"## {_escaped(table.title)}",
        "",
        _line(table.columns),
        _line(["---"] * len(table.columns)),
        *(_line([shown(cell) for cell in row]) for row in table.rows),
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
