"""`audiogen train`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app


@app.command(
    epilog="Example: `audiogen train --config nano_generator --workdir runs/generator "
    "--set tokenizer=runs/tokenizer/export`"
)
def train(
    config: Annotated[str, typer.Option(help="A packaged config or FILE.py; :ARG after it.")],
    workdir: Annotated[Path, typer.Option(help="Folder of checkpoints and metrics; resumed.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key.path=value, may be repeated.")
    ] = None,
    profile_steps: Annotated[
        str | None, typer.Option(help="first:last step of a trace in WORKDIR/profile, from 1.")
    ] = None,
    distributed: Annotated[
        bool, typer.Option(help="One of several processes; see launch/ for clusters.")
    ] = False,
) -> None:
    """Train a model as a config file says, or go on from the last checkpoint in WORKDIR."""
    steps = None if profile_steps is None else _first_and_last(profile_steps)
    if distributed:
        from audiogen_jax.sharding.distributed import initialize

        initialize()
    from audiogen_jax.train.config import load_config
    from audiogen_jax.train.loop import train_model

    train_model(load_config(config, set_ or []), workdir, steps)


def _first_and_last(text: str) -> tuple[int, int]:
    first, separator, last = text.partition(":")
    if not (separator and first.isdigit() and last.isdigit()):
        raise ValueError(f"--profile-steps {text!r}: expected first:last, such as 10:12")
    return int(first), int(last)
