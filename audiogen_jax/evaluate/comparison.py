"""Two reports beside each other: what went in differently, and which numbers match."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from audiogen_jax.evaluate.metrics.shares import Z

TOLERANCE = 0.01
INPUTS = (
    *("checkpoint_sha256", "manifest_sha256", "recordings_sha256", "audio", "references"),
    *("seed", "run", "options", "generation", "embedders"),
    *("numerics", "versions", "hardware", "git_commit"),
)
"""Of a protocol, in the order in which a difference explains others."""
BOUNDS = ("low", "high")
"""Of an interval, beside the value that it is of."""
VALUES = ("share", "mean", "score", "value")
"""Names of values that an interval beside them is of."""
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


def differing_inputs(before: Mapping[str, object], now: Mapping[str, object]) -> list[Difference]:
    """What differs between two protocols; what the older one does not hold counts as None.

    Args:
      before: of the report.
      now: of the evaluation.
    """
    names = [*INPUTS, *(name for name in before if name not in INPUTS)]
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

    A number matches within its interval if the old one is within the interval that it has now, too:
    an interval that was wider in the report excuses nothing.

    Args:
      before: results of the report.
      now: those of the evaluation.
      tolerance: relative, of numbers without an interval.
    """
    new = dict(_leaves(now, ""))
    limits = {name: (low, high) for name, _, low, high in _numbers(now, "", tolerance)}
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
        elif _inside(number, low, high) and _inside(value, *limits.get(name, (None, None))):
            outcome = "within"
        checks.append(Check(name, value, number, low, high, outcome))
    return checks


def added(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Names of numbers that some results lack: they were taken out, or are new.

    Args:
      before: results of the report.
      now: those of the evaluation.
    """
    old = {name for name, *_ in _numbers(before, "", 0.0)}
    return [name for name, *_ in _numbers(now, "", 0.0) if name not in old]


def other_data(differences: Iterable[Difference]) -> list[str]:
    """Which of some differences are of data: weights, sounds and lists, by their hashes.

    The order of a manifest's rows is none, and neither is what an older report does not say.
    """
    return [
        each.name
        for each in differences
        if each.name.endswith("sha256")
        and each.name != "manifest_sha256"
        and each.before is not None
    ]


def _inside(number: float | None, low: float | None, high: float | None) -> bool:
    return None not in (number, low, high) and low <= number <= high  # pyright: ignore


def _numbers(
    value: object, key: str, tolerance: float
) -> Iterator[tuple[str, float | None, float | None, float | None]]:
    """Name, value, and the least and greatest that match of every number and every gap.

    Bounds of an interval are no numbers of their own.
    """
    if isinstance(value, Mapping):
        interval = [value.get(name) for name in BOUNDS]
        if {"mean", "clips"} <= value.keys() and isinstance(value.get("std"), float):
            interval = _of_mean(**value)
        for name, each in value.items():
            full = f"{key}.{name}".lstrip(".")
            beside = value.get(f"{name}_interval")
            if name in BOUNDS or (name.endswith("_interval") and name[:-9] in value):
                continue
            bounds = interval if name in VALUES else [None]
            bounds = beside if isinstance(beside, list) else bounds
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
