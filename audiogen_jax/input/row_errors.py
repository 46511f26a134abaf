"""Rows of a file that are set aside, and how many of them are too many."""

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path

TOLERATED = 20
"""So many items may be bad whatever their share: a small job goes through to its end."""
TOLERATED_SHARE = 0.05


@dataclasses.dataclass(frozen=True)
class RowError:
    """A row that does not hold what it should.

    Attributes:
      row: its number: of a prompt from 0, of a line of a manifest or a sample in a tar file from 1.
      message: what is wrong, with the file and the row.
    """

    row: int
    message: str


def check_tolerated(bad: int, total: int, what: str, example: str) -> None:
    """The limit at which bad rows or clips stop a job or a training.

    Args:
      bad: items that were set aside.
      total: of the items looked at, the bad ones among them.
      what: the items are, such as "rows of clips.jsonl".
      example: what is wrong with one of them.

    Raises:
      ValueError: more than `TOLERATED` are bad, and more than `TOLERATED_SHARE` of all.
    """
    if bad > TOLERATED and bad > TOLERATED_SHARE * total:
        raise ValueError(
            f"{bad} of {total} {what} are bad: at most {TOLERATED}, or {TOLERATED_SHARE:.0%}, are "
            f"set aside. One of them: {example}"
        )


def warn_of(errors: Sequence[RowError], path: str | Path) -> None:
    """Says how many rows of a file are left out, and why the first of them is."""
    if errors:
        warnings.warn(
            f"{path}: {len(errors)} left out, the first: {errors[0].message}", stacklevel=3
        )
