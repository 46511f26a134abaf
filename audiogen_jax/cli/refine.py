"""`audiogen refine`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiogen_jax.caption import VIEWS
from audiogen_jax.cli.app import app, check_output, progress
from audiogen_jax.cli.options import Overwrite

if TYPE_CHECKING:
    from audiogen_jax.refiner.fallback import LanguageModelOrEmbedded

KEY = "AUDIOGEN_LLM_KEY"


@app.command(
    epilog="Example: `audiogen refine 'A man says \"seven\" while a dog barks in the rain'` prints "
    "what `audiogen generate` and prompt files take; `… --json` a view each. With a language "
    "model: `… --llm http://localhost:11434/v1 --model qwen3`. A script: `audiogen refine --script "
    "scene.fountain -o storyboard.json`, then `audiogen generate --timeline storyboard.json`"
)
def refine(
    text: Annotated[
        str | None, typer.Argument(help='A plain sentence; "quoted" words are spoken.')
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="A script, Fountain or plain text, instead of a sentence.")
    ] = None,
    llm: Annotated[
        str | None,
        typer.Option(help=f"Endpoint in the shape of OpenAI's, http://HOST/v1; key from {KEY}."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model that the endpoint asks.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for an answer of it.")] = 60.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object, a row of a prompt file.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The storyboard of a script, .json")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn a plain sentence into a structured caption, or a script into a storyboard."""
    if (text is None) == (script is None):
        raise ValueError("give a sentence, or a file by --script")
    if (script is None) != (output is None):
        raise ValueError("--script needs an --output, a storyboard.json; a sentence is printed")
    if (llm is None) != (model is None):
        raise ValueError("--llm and --model: give both, or neither for the embedded refiner")
    asked = None if llm is None else _language_model(llm, str(model), timeout)
    try:
        if script is not None and output is not None:
            _direct(script, output, overwrite, asked)
        else:
            _print(str(text), as_json, asked)
    finally:
        if asked is not None:
            for line in (*asked.warnings, asked.usage()):
                typer.echo(line, err=True)


def _language_model(url: str, model: str, timeout: float) -> "LanguageModelOrEmbedded":
    from audiogen_jax.chat import ChatEndpoint
    from audiogen_jax.refiner.fallback import LanguageModelOrEmbedded
    from audiogen_jax.refiner.language_model import LanguageModelRefiner

    endpoint = ChatEndpoint(url, model, key=KEY, timeout=timeout)
    return LanguageModelOrEmbedded(LanguageModelRefiner(endpoint))


def _direct(
    script: Path, output: Path, overwrite: bool, refiner: "LanguageModelOrEmbedded | None"
) -> None:
    from audiogen_jax.files.atomic import write_text
    from audiogen_jax.files.text import decode_text
    from audiogen_jax.refiner.direct import direct
    from audiogen_jax.refiner.shots import as_json

    if output.suffix != ".json":
        raise ValueError(f"{output}: a storyboard is written as .json")
    check_output(output, overwrite)
    text = decode_text(script.read_bytes(), script)
    with progress("directing"):
        try:
            timeline = direct(text, refiner)
        except ValueError as error:
            raise ValueError(f"{script}: {error}") from error
    write_text(output, json.dumps(as_json(timeline), ensure_ascii=False, indent=1) + "\n")
    shots = [event for event in timeline if event.view == "caption"]
    typer.echo(f"{output}: {len(shots)} shots, {shots[-1].end:g} s")


def _print(text: str, as_json: bool, refiner: "LanguageModelOrEmbedded | None") -> None:
    from audiogen_jax.refiner.refine import refine as refine_text
    from audiogen_jax.refiner.shots import as_json as timeline_json
    from audiogen_jax.refiner.shots import merged, storyboard

    tagged = "<|" in text or not text.strip()
    shots = [] if refiner is None or tagged else refiner.shots(text)
    scene = merged(text, shots) if shots else refine_text(text)
    timeline = shots[0].events if len(shots) == 1 else ()
    if len(shots) > 1:
        if all(shot.seconds is not None for shot in shots):
            timeline = storyboard(shots)
        else:
            typer.echo(
                f"{len(shots)} shots, not all with a length: one scene of all, without times",
                err=True,
            )
    if not as_json:
        if timeline:
            typer.echo("its times are left out: --json has them", err=True)
        typer.echo(scene.format())
        return
    views = {view: getattr(scene, view) for view in VIEWS}
    row: dict[str, object] = {view: words for view, words in views.items() if words is not None}
    if timeline:
        row["timeline"] = timeline_json(timeline)
    typer.echo(json.dumps(row, ensure_ascii=False))
