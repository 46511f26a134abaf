"""`audiogen reproduce`."""

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from audiogen_jax.cli.app import app

if TYPE_CHECKING:
    from audiogen_jax.evaluate.comparison import Check, Difference

SHOWN = 3
"""Differences of one input that are printed."""


@app.command(
    epilog="Examples: `audiogen reproduce nano_read_speech`, "
    "`audiogen reproduce report.json --manifest /data/manifests/speech.jsonl`"
)
def reproduce(
    result: Annotated[
        str, typer.Argument(help="A report of `audiogen evaluate`, or a name of one in results/.")
    ],
    checkpoint: Annotated[
        str | None, typer.Option(help="Instead of the one that the report names.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Instead of the one that the report names.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder that keeps the trained judge.")] = Path(
        "runs/judge"
    ),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Keep the new report, .json")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Relative, of numbers without an interval.")
    ] = 0.01,
) -> None:
    """Make a result again as its report says; exit code 1 if a number does not match.

    What went in is compared first: checkpoint, recordings, settings, versions, hardware.
    """
    from audiogen_jax.evaluate.reproduce import reproduce as run_again

    done = run_again(
        result,
        checkpoint=checkpoint,
        manifest=manifest,
        cache=cache,
        out=output,
        tolerance=tolerance,
    )
    console = Console(highlight=False)
    print_inputs(done.inputs, console)
    console.print(_table(done.checks))
    outcomes = [check.outcome for check in done.checks]
    console.print(
        f"{len(outcomes)} numbers: {outcomes.count('equal')} equal, {outcomes.count('within')} "
        f"within their interval or {tolerance:g}, {outcomes.count('differs')} differ, "
        f"{outcomes.count('missing')} missing"
    )
    if done.added:
        names = ", ".join(done.added[:SHOWN]) + (", …" if done.added[SHOWN:] else "")
        console.print(f"{len(done.added)} numbers that the report lacks: {names}", markup=False)
    if done.other_data:
        names = ", ".join(done.other_data[:SHOWN]) + (", …" if done.other_data[SHOWN:] else "")
        console.print(f"of other data than the report ({names}): only equal numbers match")
    if not done.matches:
        raise typer.Exit(1)


def print_inputs(inputs: "list[Difference]", console: Console) -> None:
    """What differs of what went in, a few lines each."""
    if not inputs:
        console.print("nothing that went in differs")
    for name, group in groupby(inputs, lambda each: each.name.partition(".")[0]):
        differences = list(group)
        for each in differences[:SHOWN]:
            text = f"differs: {each.name}: {each.before} -> {each.now}"
            console.print(text, markup=False, soft_wrap=True)
        if len(differences) > SHOWN:
            console.print(f"differs: {len(differences) - SHOWN} more of {name}", markup=False)


def _table(checks: "list[Check]") -> Table:
    table = Table(title="Reproduced")
    table.add_column("number", overflow="fold")
    for name in ("before", "now", "matches from", "to", ""):
        table.add_column(name)
    for check in checks:
        values = (check.before, check.now, check.low, check.high)
        table.add_row(check.name, *map(_text, values), check.outcome)
    return table


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
