"""`audiogen train`."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.logging import RichHandler

from audiogen_jax.cli.app import app, stderr
from audiogen_jax.sharding.stop import UNFINISHED, ended_by_signals


@app.command(
    epilog="Example: `audiogen train --config finetune --set data=clips.jsonl --set init=nano "
    "--workdir run`, where `audiogen manifest FOLDER --output clips.jsonl` makes the data"
)
def train(
    config: Annotated[str, typer.Option(help="A packaged config or FILE.py; :ARG after it.")],
    workdir: Annotated[Path, typer.Option(help="Folder of checkpoints and metrics; resumed.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key.path=value, may be repeated.")
    ] = None,
    allow_change: Annotated[
        list[str] | None,
        typer.Option(help="Setting that WORKDIR may go on with changed, may be repeated."),
    ] = None,
    start_over: Annotated[
        bool, typer.Option(help="If all checkpoints in WORKDIR are damaged, begin at step 0.")
    ] = False,
    profile_steps: Annotated[
        str | None, typer.Option(help="first:last step of a trace in WORKDIR/profile, from 1.")
    ] = None,
    distributed: Annotated[
        bool, typer.Option(help="One of several processes; see launch/ for clusters.")
    ] = False,
) -> None:
    """Train a model as a config file says, or go on from the last checkpoint in WORKDIR."""
    profiled = None if profile_steps is None else _first_and_last(profile_steps)
    with ended_by_signals("start again to go on from the last checkpoint"):
        _configure_logging()
        from audiogen_jax.infer.compile import use_compile_cache
        from audiogen_jax.sharding.distributed import ended_together, initialize

        use_compile_cache()
        if distributed:
            initialize()
        with ended_together():
            from audiogen_jax.train.config import load_config
            from audiogen_jax.train.loop import train_model

            settings = load_config(config, set_ or [])
            state = train_model(
                settings,
                workdir,
                profiled,
                allow_changes=allow_change or (),
                start_over=start_over,
            )
            step = int(state.step)
    if step < (last := int(str(settings.steps))):
        typer.echo(f"stopped after step {step} of {last}: start again to go on", err=True)
        raise typer.Exit(UNFINISHED)
    typer.echo(f"{workdir / 'export'}: the model after {step} steps")


def _configure_logging() -> None:
    """Sends what happens to stderr: above the bar on a terminal, with the time elsewhere."""
    if sys.stderr.isatty():
        handler, form = RichHandler(console=stderr, show_path=False), "%(message)s"
    else:
        handler, form = logging.StreamHandler(), "%(asctime)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, handlers=[handler])
    logging.getLogger("absl").setLevel(logging.WARNING)


def _first_and_last(text: str) -> tuple[int, int]:
    first, separator, last = text.partition(":")
    if not (separator and first.isdigit() and last.isdigit()):
        raise ValueError(f"--profile-steps {text!r}: expected first:last, such as 10:12")
    return int(first), int(last)
