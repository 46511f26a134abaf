"""The `audiogen` application and what its commands share."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

app = typer.Typer(
    name="audiogen",
    help="Text to audio scenes, and audio to latents and back.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
stderr = Console(stderr=True, highlight=False)

Checkpoint = Annotated[
    str, typer.Option(help="'nano' (embedded), a folder in Hugging Face layout or a hub name.")
]


Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")]
Dtype = Annotated[str, typer.Option(help="Of the computation: fp32 or bf16.")]


def check_audio_output(path: Path) -> None:
    from audiogen_jax.infer.audio_io import check_audio_suffix

    check_audio_suffix(path)
    check_output(path)


def check_output(path: Path) -> None:
    from audiogen_jax.infer.output import check_writable

    check_writable(path)


def seconds(samples: Any, sample_rate: int) -> str:
    return f"{len(samples) / sample_rate:.2f} s at {sample_rate} Hz"


@contextlib.contextmanager
def progress(what: str) -> Iterator[None]:
    """A moving bar with the time spent, on stderr, gone when the work is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        progress.add_task(what, total=None)
        yield
