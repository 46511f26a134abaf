"""`audiogen manifest`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app, counted_progress

SHOWN = 20
"""Recordings that are left out and named one by one."""


@app.command(
    epilog="Example: `audiogen manifest recordings --captions captions.csv --output clips.jsonl`. "
    "Then: `audiogen train --config finetune --set data=clips.jsonl --set init=nano --workdir run`"
)
def manifest(
    folder: Annotated[Path, typer.Argument(help="Folder of recordings, and of folders of them.")],
    captions: Annotated[
        Path | None,
        typer.Option(
            help=".csv, .jsonl or .parquet with a column file_name and columns of views. Without "
            "it: .txt or .json files beside the recordings, or the names of folders and files."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help=".jsonl")] = Path("manifest.jsonl"),
    val: Annotated[float, typer.Option(help="Share of the clips for validation.")] = 0.1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing manifest.")
    ] = False,
) -> None:
    """Make the manifest of a folder of recordings, to train on."""
    with counted_progress("reading") as report:
        from audiogen_jax.input.folder_manifest import build_manifest
        from audiogen_jax.input.manifest import summary

        made = build_manifest(
            folder, output, captions=captions, val=val, overwrite=overwrite, report=report
        )
    for note in made.notes:
        typer.echo(note, err=True)
    for path, reason in made.left_out[:SHOWN]:
        typer.echo(f"left out: {path}: {reason}", err=True)
    if len(made.left_out) > SHOWN:
        typer.echo(f"left out: {len(made.left_out) - SHOWN} more", err=True)
    typer.echo(f"{output}: {summary(made.rows)}")
