"""A benchmark's scores as tables, those that others published beside them."""

from collections.abc import Sequence

from audiogen_jax.evaluate.benchmarks.benchmark import Benchmark
from audiogen_jax.evaluate.benchmarks.group import Cell
from audiogen_jax.evaluate.benchmarks.metrics import title
from audiogen_jax.evaluate.benchmarks.published import Published, published
from audiogen_jax.evaluate.benchmarks.score import Row, Scores
from audiogen_jax.evaluate.suite import Table

BESIDE_PUBLISHED = (
    "Published rows are copied from their sources; where a head names the same network, its "
    "resampling, captions and clips may still differ from these."
)


def score_table(benchmark: Benchmark, scores: Scores, system: str) -> Table:
    """What was measured, with intervals, over what others published.

    Args:
      benchmark: of the scores.
      scores: measured.
      system: what made the clips.
    """
    theirs = [row for row in published() if row.suite == benchmark.name]
    heads = _heads(benchmark, scores.rows, theirs)
    first = ["category"] if benchmark.apart else []
    rows = []
    for row in scores.rows:
        cells = [_cell(row.cells[head]) if head in row.cells else None for head in heads]
        rows.append([*([row.category] if first else []), system, _count(row), *cells])
        for other in theirs:
            if other.category == row.category:
                values = [_number(other.values.get(head)) for head in heads]
                rows.append([*([row.category] if first else []), other.system, None, *values])
    return Table(f"{benchmark.name}: {benchmark.source}", [*first, "system", "clips", *heads], rows)


def narrow_table(benchmark: Benchmark, scores: Scores, system: str) -> Table:
    """The same for a terminal: a row for each head, what others published in one column.

    Args:
      benchmark: of the scores.
      scores: measured.
      system: what made the clips.
    """
    theirs = [row for row in published() if row.suite == benchmark.name]
    first = ["category"] if benchmark.apart else []
    rows = []
    for row in scores.rows:
        beside = [other for other in theirs if other.category == row.category]
        for head in _heads(benchmark, [row], beside):
            others = ", ".join(
                f"{other.system} {_number(other.values[head])}"
                for other in beside
                if head in other.values
            )
            cell = _cell(row.cells[head]) if head in row.cells else None
            rows.append([*([row.category] if first else []), head, cell, others or None])
    counts = ", ".join(dict.fromkeys(_count(row) for row in scores.rows))
    return Table(
        f"{benchmark.name}, clips: {counts}", [*first, "column", system, "published"], rows
    )


def sources(benchmark: Benchmark) -> list[str]:
    """Where the published rows stand, one line each."""
    lines = [
        f"{source}: {', '.join(systems)}." for source, systems in _by_source(benchmark.name).items()
    ]
    return [BESIDE_PUBLISHED, *lines] if lines else []


def _by_source(suite: str) -> dict[str, list[str]]:
    systems: dict[str, list[str]] = {}
    for row in published():
        if row.suite == suite and row.system not in systems.setdefault(row.source, []):
            systems[row.source].append(row.system)
    return systems


def _heads(benchmark: Benchmark, rows: Sequence[Row], theirs: Sequence[Published]) -> list[str]:
    """Heads with a number below: those of the publication, what others have, what is measured."""
    shown = {row.category for row in rows}
    filled = {head for row in rows for head in row.cells}
    filled |= {head for row in theirs if row.category in shown for head in row.values}
    order = [title(column.metric, column.backbone) for column in benchmark.columns]
    order += [head for row in theirs for head in row.values]
    order += [head for row in rows for head in row.cells]
    return [head for head in dict.fromkeys(order) if head in filled]


def _count(row: Row) -> str:
    return f"{row.clips} to {row.references}" if row.references else str(row.clips)


def _cell(cell: Cell) -> str:
    if cell.low is None or cell.high is None or cell.low != cell.low:  # NaN of a single clip
        return _number(cell.value) or ""
    return f"{_number(cell.value)} [{_number(cell.low)}, {_number(cell.high)}]"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
