"""Results as one JSON file with their protocol, and as a table."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from audiogen_jax.evaluate.suites.reconstruction import Score
from audiogen_jax.files.atomic import written_atomically

PROTOCOL_FIELDS = (
    "checkpoint",
    "checkpoint_sha256",
    "manifest_sha256",
    "seed",
    "versions",
    "hardware",
    "git_commit",
)


def write_report(path: str | Path, protocol: Mapping[str, Any], results: Mapping[str, Any]) -> None:
    """Writes `{"protocol": …, "results": …}`; the file is whole or absent.

    Args:
      path: `.json`; missing folders are made.
      protocol: at least the fields of `PROTOCOL_FIELDS`.
      results: nested mappings of numbers, strings, lists and `Score`s; a number that is not
        finite becomes null, which JSON can hold.

    Raises:
      ValueError: a field of the protocol is missing, or another suffix.
      OSError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"{path}: the report is written as .json")
    if missing := [name for name in PROTOCOL_FIELDS if name not in protocol]:
        raise ValueError(f"the protocol lacks {missing}: a number without them is no result")
    report = {"protocol": _plain(protocol), "results": _plain(results)}
    text = json.dumps(report, indent=1, allow_nan=False) + "\n"
    with written_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def print_report(results: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the tables of `results`, as `run` makes them."""
    console = console or Console()
    if systems := results.get("reconstruction"):
        table = Table("group", "metric", *systems, "clips", title="Reconstruction, held-out")
        first = next(iter(systems.values()))
        for group, metrics in first.items():
            for metric, score in metrics.items():
                means = [_number(scores[group][metric].mean) for scores in systems.values()]
                table.add_row(group, metric, *means, str(score.clips))
        console.print(table)
    if tasks := results.get("generation"):
        table = Table("measure", *tasks, title="Generation")
        rows = {
            "accuracy, generated": ("accuracy", "generated"),
            "accuracy, real held-out": ("accuracy", "real_held_out"),
            "accuracy, real rebuilt": ("accuracy", "real_held_out_rebuilt"),
            "chance": ("accuracy", "chance"),
            "Frechet, generated to real": ("frechet", "generated_to_real"),
            "Frechet, real to real": ("frechet", "real_to_real_floor"),
            "near-copies": ("near_copies", "share"),
            "near-copies, rebuilt training": ("near_copies", "share_of_rebuilt_training_clips"),
        }
        for title, (part, name) in rows.items():
            table.add_row(
                title, *(_number(task.get(part, {}).get(name)) for task in tasks.values())
            )
        console.print(table)
    if found := results.get("mixtures"):
        table = Table("heard", "generated", "real", "chance", title="Digit and sound at once")
        for part in found["chance"]:
            table.add_row(
                part, *(_number(found[source][part]) for source in ("generated", "real", "chance"))
            )
        console.print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _plain(value: Any) -> Any:
    if isinstance(value, Score):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
