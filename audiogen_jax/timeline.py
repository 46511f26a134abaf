"""What sounds when: events of a scene in seconds, beside its caption.

In JSON a timeline is a list of `{"start": 0.4, "end": 1.1, "view": "asr", "text": "seven"}`.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Self

from audiogen_jax.caption import VIEWS

_KEYS = ("start", "end", "view", "text")


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that sounds from one time to another.

    Attributes:
      start, end: seconds from the beginning of the clip; 0 <= start < end.
      view: the view that names it: "speech", "asr", "sfx", "music" or "env".
      text: the words of the view that name it; None stands for the whole view.

    Raises:
      ValueError: no such view, or times that are not in order.
    """

    start: float
    end: float
    view: str
    text: str | None = None

    def __post_init__(self):
        if self.view not in VIEWS[1:]:
            raise ValueError(f"view {self.view!r} of an event: expected one of {VIEWS[1:]}")
        for name in ("start", "end"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name} of an event is {value!r}: expected seconds")
        if not (0 <= self.start < self.end and math.isfinite(self.end)):
            raise ValueError(
                f"event from {self.start} to {self.end} s: expected 0 <= start < end, in seconds"
            )
        if self.text is not None and not (isinstance(self.text, str) and self.text.strip()):
            raise ValueError(f"text of an event is {self.text!r}: expected words of its view")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `VIEW=START:END` or `VIEW=START:END WORDS`, as in `asr=0.4:1.1 seven`.

        Raises:
          ValueError: it is written in another way, or is no event.
        """
        head, _, words = text.strip().partition(" ")
        view, equals, times = head.partition("=")
        start, colon, end = times.partition(":")
        if not (equals and colon):
            raise ValueError(f"event {text!r}: expected VIEW=START:END, as in asr=0.4:1.1")
        try:
            seconds = float(start), float(end)
        except ValueError:
            raise ValueError(f"event {text!r}: START and END are seconds") from None
        return cls(*seconds, view.strip(), words.strip() or None)

    def shifted(self, seconds: float, duration: float) -> Self | None:
        """The event in a window that begins at `seconds`; None if it does not sound there."""
        start, end = max(self.start - seconds, 0.0), min(self.end - seconds, duration)
        return dataclasses.replace(self, start=start, end=end) if start < end else None


Timeline = tuple[Event, ...]
"""Events in any order; they may overlap."""


def parse_timeline(value: object) -> Timeline:
    """Reads the list that JSON holds.

    Raises:
      ValueError: it is no list of objects with these keys, or an event is wrong; says which.
    """
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise ValueError(f"a timeline is a list of events with {_KEYS}, not {value!r}")
    events = []
    for number, item in enumerate(value, 1):
        if not isinstance(item, dict) or not {"start", "end", "view"} <= item.keys() <= set(_KEYS):
            raise ValueError(f"event {number} of the timeline is {item!r}: expected keys {_KEYS}")
        try:
            events.append(Event(**item))
        except ValueError as error:
            raise ValueError(f"event {number} of the timeline: {error}") from None
    return tuple(events)


def to_json(timeline: Iterable[Event]) -> list[dict[str, object]]:
    """The list that JSON holds; `parse_timeline` reads it back."""
    return [
        {name: value for name, value in dataclasses.asdict(event).items() if value is not None}
        for event in timeline
    ]
