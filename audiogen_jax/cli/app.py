"""The `audiogen` application and what its commands share."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sized
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from audiogen_jax.files.delivery import Delivery
    from audiogen_jax.files.export import Exported
    from audiogen_jax.files.marking import Marking
    from audiogen_jax.jobs.job import Progress as JobProgress

app = typer.Typer(
    name="audiogen",
    help="Text to audio scenes, and audio to latents and back.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
stderr = Console(stderr=True, highlight=False)


def check_audio_output(
    path: Path, overwrite: bool, marking: "Marking", delivery: "Delivery | None" = None
) -> None:
    """See `check_output`; the suffix, what marks need, and the JSON file beside it too."""
    from audiogen_jax.files.export import beside, check_suffix

    check_suffix(path, marking, delivery)
    check_output(path, overwrite)
    if marking.provenance:
        check_output(beside(path), overwrite)


def tell_changes(path: Path, made: "Exported") -> None:
    """Says on stderr what was done to a clip before it was written."""
    for change in made.changes:
        typer.echo(f"{path}: {change}", err=True)


def check_output(path: Path, overwrite: bool) -> None:
    """Checks, before any work, that a file may be written.

    Raises:
      OSError: it cannot, or it exists and was not asked to be replaced.
    """
    from audiogen_jax.files.atomic import check_writable

    check_writable(path)
    if os.path.lexists(path) and not overwrite:
        raise FileExistsError(
            f"{path} exists: give another --output, or --overwrite to replace that file"
        )


def seconds(samples: Sized, sample_rate: int) -> str:
    return f"{len(samples) / sample_rate:.2f} s at {sample_rate} Hz"


@contextlib.contextmanager
def progress(what: str) -> Iterator[None]:
    """A moving bar with the time spent, on stderr, gone when the work is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


@contextlib.contextmanager
def counted_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that is moved by giving it (done, all of them)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def counted_steps() -> Iterator[Callable[[str, int, int], None]]:
    """Bars on stderr, one after another, moved by giving them (what, done, all of them)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task("loading", total=None)

        def report(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield report


@contextlib.contextmanager
def job_progress(what: str) -> Iterator["Callable[[JobProgress], None]"]:
    """A bar on stderr that is moved by giving it the `Progress` of a job."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task("loading", total=None, speed="")

        def report(now: "JobProgress") -> None:
            bar.update(
                task, description=what, completed=now.done, total=now.total, speed=speed(now)
            )

        yield report


def speed(now: "JobProgress") -> str:
    """Clips per second of a job's `Progress`; empty before the first."""
    if not now.made:
        return ""
    rate, factor = now.made / now.seconds, now.audio_seconds / now.seconds
    return f"{rate:.2f} clips/s, {factor:.1f} times real time"
