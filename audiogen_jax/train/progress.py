"""The progress bar of a training: loss, clips per second, time left."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def training_progress(shown: bool = True) -> Progress:
    """A bar whose tasks have the fields `loss` and `rate` (clips per second)."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TextColumn("{task.fields[rate]:.1f} clips/s"),
        TimeRemainingColumn(elapsed_when_finished=True),
        disable=not shown,
    )
