"""A result again from what its report says of itself, and whether it comes out the same."""

import dataclasses
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from audiogen_jax.evaluate.determinism import make_deterministic
from audiogen_jax.evaluate.metrics.shares import Z
from audiogen_jax.evaluate.registry import SUITES
from audiogen_jax.evaluate.run import evaluate_checkpoint
from audiogen_jax.evaluate.suite import Suite
from audiogen_jax.files.json_object import read_object
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.train.typed_config import typed

COMMITTED = Path("results")
"""Of a clone: reports that have a name."""
TOLERANCE = 0.01
INPUTS = (
    *("checkpoint_sha256", "manifest_sha256", "recordings_sha256", "seed", "run"),
    *("numerics", "versions", "hardware", "git_commit"),
)
"""Of a protocol, in the order in which a difference explains others."""
BOUNDS = ("low", "high")
"""Of an interval, beside the value that it is of."""
Outcome = Literal["equal", "within", "differs", "missing"]


class Difference(NamedTuple):
    """An input that is not what it was.

    Attributes:
      name: keys of the protocol, joined by dots.
      before: as the report says it; None: it does not.
      now: as it is.
    """

    name: str
    before: object
    now: object


class Check(NamedTuple):
    """One number of a report.

    Attributes:
      name: keys of the results, joined by dots.
      before: as committed; None where there was no number.
      now: as reproduced.
      low: least that matches.
      high: greatest that matches.
      outcome: "equal" to the bit, "within" the interval or the tolerance, "differs", or "missing"
        from what was reproduced.
    """

    name: str
    before: float | None
    now: float | None
    low: float | None
    high: float | None
    outcome: Outcome


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """What became of a report.

    Attributes:
      inputs: what differs, in the order of `INPUTS`, then by suite.
      checks: every number of the report.
    """

    inputs: list[Difference]
    checks: list[Check]

    @property
    def matches(self) -> bool:
        """Whether every number does."""
        return all(check.outcome in ("equal", "within") for check in self.checks)


def reproduce(
    result: str | Path,
    *,
    checkpoint: str | Path | None = None,
    manifest: str | Path | None = None,
    cache: str | Path = "runs/judge",
    out: str | Path | None = None,
    tolerance: float = TOLERANCE,
) -> Reproduction:
    """Evaluates again as a report says, and compares every number.

    A number with an interval matches within it, another within a tolerance; whole numbers that
    count something match exactly.

    Args:
      result: the report, or the name of one in `results`.
      checkpoint: in the place of the one that the report names.
      manifest: likewise, where the recordings lie elsewhere.
      cache: as of `evaluate_checkpoint`.
      out: the new report, `.json`; not kept if None.
      tolerance: relative, of numbers without an interval.

    Raises:
      ValueError: no such report, one that does not say how it was made, or `evaluate_checkpoint`
        refuses it.
      OSError: a file cannot be read or written.
    """
    path = find_report(result)
    before = read_object(path)
    suites, options, run = _settings(before, path)
    if _entry(before, "protocol", "numerics", "deterministic_ops"):
        make_deterministic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json" if out is None else Path(out)
        evaluate_checkpoint(
            checkpoint or str(run["checkpoint"]),
            manifest or str(run["manifest"]),
            out,
            cache=cache,
            suites=suites,
            seed=run["seed"],  # pyright: ignore[reportArgumentType]
            options=options,
        )
        now = json.loads(out.read_text("utf-8"))
    return Reproduction(
        differing_inputs(_mapping(before["protocol"]), now["protocol"]),
        checked(_mapping(before["results"]), now["results"], tolerance),
    )


def find_report(result: str | Path) -> Path:
    """The file of a report, given by its path or its name in `results`.

    Raises:
      FileNotFoundError: there is none.
    """
    path, committed = Path(result), COMMITTED / f"{result}.json"
    if path.suffix != ".json" and committed.is_file():
        return committed
    if not path.is_file():
        names = sorted(file.stem for file in COMMITTED.glob("*.json"))
        raise FileNotFoundError(
            f"no report at {path}: expected a .json of `audiogen evaluate`, or a name of one in "
            f"{COMMITTED}/ ({', '.join(names) or 'none here'})"
        )
    return path


def _settings(
    report: Mapping[str, object], path: Path
) -> tuple[list[Suite], SamplingOptions, Mapping[str, object]]:
    """What is measured, how it is sampled, and the rest of how a report was made."""
    run = _entry(report, "protocol", "run")
    if not isinstance(run, Mapping):
        raise ValueError(
            f'{path} does not say how it was made, there is no "run" in its protocol: reports of '
            "earlier versions, and those of benchmarks, have to be made anew"
        )
    run = _mapping(run)
    needed = {"checkpoint", "manifest", "seed", "sampling", "suites"}
    if lacks := needed - run.keys():
        raise ValueError(f'{path}: "run" in its protocol lacks {sorted(lacks)}')
    suites = _mapping(run["suites"])
    if unknown := sorted(set(suites) - set(SUITES)):
        raise ValueError(f"{path} measured {unknown}, which are no suites of this version")
    try:
        chosen: list[Suite] = [
            typed(type(SUITES[name]), _mapping(values), f"suites.{name}")
            for name, values in suites.items()
        ]
        return chosen, typed(SamplingOptions, _mapping(run["sampling"]), "sampling"), run
    except ValueError as error:
        raise ValueError(f"{path} cannot be run by this version: {error}") from None


def differing_inputs(before: Mapping[str, object], now: Mapping[str, object]) -> list[Difference]:
    """What differs between two protocols; what the older one does not hold counts as None.

    Args:
      before: of the report.
      now: of the evaluation.
    """
    names = [*INPUTS, *(name for name in before if name not in INPUTS and name in SUITES)]
    differences = []
    for name in names:
        old, new = (dict(_leaves(protocol.get(name), name)) for protocol in (before, now))
        for key in dict.fromkeys((*old, *new)):
            if old.get(key) != new.get(key):
                differences.append(Difference(key, old.get(key), new.get(key)))
    return differences


def checked(
    before: Mapping[str, object], now: Mapping[str, object], tolerance: float = TOLERANCE
) -> list[Check]:
    """Every number of some results, beside what it is now.

    Args:
      before: results of the report.
      now: those of the evaluation.
      tolerance: relative, of numbers without an interval.
    """
    new = dict(_leaves(now, ""))
    checks = []
    for name, value, low, high in _numbers(before, "", tolerance):
        if name not in new:
            checks.append(Check(name, value, None, low, high, "missing"))
            continue
        found = new[name]
        number = found if isinstance(found, int | float) else None
        outcome: Outcome = "differs"
        if number == value and found == value:
            outcome = "equal"
        elif number is not None and low is not None and high is not None and low <= number <= high:
            outcome = "within"
        checks.append(Check(name, value, number, low, high, outcome))
    return checks


def _numbers(
    value: object, key: str, tolerance: float
) -> Iterator[tuple[str, float | None, float | None, float | None]]:
    """Name, value, and the least and greatest that match of every number and every gap.

    Bounds of an interval are no numbers of their own.
    """
    if isinstance(value, Mapping):
        interval = [value.get(name) for name in BOUNDS]
        if isinstance(value.get("std"), float):
            interval = _of_mean(**value)
        for name, each in value.items():
            full = f"{key}.{name}".lstrip(".")
            beside = value.get(f"{name}_interval")
            if name in BOUNDS or (name.endswith("_interval") and name[:-9] in value):
                continue
            bounds = beside if isinstance(beside, list) else interval
            if type(each) is float and all(isinstance(bound, int | float) for bound in bounds):
                yield full, each, bounds[0], bounds[1]
            else:
                yield from _numbers(each, full, tolerance)
    elif isinstance(value, list):
        for row, each in enumerate(value):
            yield from _numbers(each, f"{key}[{row}]", tolerance)
    elif value is None or (isinstance(value, int) and not isinstance(value, bool)):
        yield key, value, value, value
    elif isinstance(value, float):
        margin = tolerance * abs(value)
        yield key, value, value - margin, value + margin


def _of_mean(mean: float, std: float, clips: int, **others: object) -> list[float]:
    """95 % interval of a mean over clips, from their standard deviation."""
    half = Z * std / clips**0.5
    return [mean - half, mean + half]


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for row, each in enumerate(value):
            yield from _leaves(each, f"{key}[{row}]")
    else:
        yield key, value


def _entry(values: object, *keys: str) -> object:
    """What stands under nested keys; None if nothing does."""
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r}: expected an object with keys")
    return value
