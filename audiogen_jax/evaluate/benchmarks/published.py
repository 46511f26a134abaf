"""Scores that others published, each with its source."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path

_FILE = Path(__file__).with_name("published.json")


@dataclasses.dataclass(frozen=True)
class Published:
    """A row of a published table. Rates are shares, not per cent.

    Attributes:
      suite: of `table.BENCHMARKS`.
      system: what was measured.
      category: None if all clips are together.
      values: by the head of their columns.
      source: where the numbers stand.
    """

    suite: str
    system: str
    category: str | None
    values: Mapping[str, float]
    source: str


@functools.cache
def published() -> tuple[Published, ...]:
    """All rows that are known."""
    return tuple(Published(**row) for row in json.loads(_FILE.read_text(encoding="utf-8")))
