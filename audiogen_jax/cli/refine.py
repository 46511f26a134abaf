"""`audiogen refine`."""

import json
from typing import Annotated

import typer

from audiogen_jax.caption import VIEWS
from audiogen_jax.cli.app import app


@app.command(
    epilog="Example: `audiogen refine 'A man says \"seven\" while a dog barks in the rain'` prints "
    "what `audiogen generate` and prompt files take; `… --json` a view each"
)
def refine(
    text: Annotated[str, typer.Argument(help='A plain sentence; "quoted" words are spoken.')],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object, a row of a prompt file.")
    ] = False,
) -> None:
    """Turn a plain sentence into a structured caption, offline."""
    from audiogen_jax.refiner.refine import refine as refine_text

    scene = refine_text(text)
    if not as_json:
        typer.echo(scene.format())
        return
    views = {view: getattr(scene, view) for view in VIEWS}
    present = {view: words for view, words in views.items() if words is not None}
    typer.echo(json.dumps(present, ensure_ascii=False))
