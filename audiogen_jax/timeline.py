"""What sounds when: events of a scene in seconds, beside its caption or instead of it.

In JSON a timeline is a list of `{"start": 0.4, "end": 1.1, "view": "asr", "text": "seven"}`. An
entry of the view "caption" is the caption of the clip from one time to another.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Self, TypeAlias

from audiogen_jax.caption import VIEWS, check_text, view_ranges
from audiogen_jax.scalars import as_number

_KEYS = ("start", "end", "view", "text")
_FOREVER = 1e9
"""Seconds that no clip has."""


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that sounds from one time to another.

    Attributes:
      start, end: seconds from the beginning of the clip; 0 <= start < end.
      view: the view that names it: "speech", "asr", "sfx", "music" or "env"; or "caption".
      text: the words of the view that name it; None stands for the whole view. Of "caption", a
        plain sentence or a tagged string.

    Raises:
      ValueError: no such view, times that are not in order, or a caption without text.
    """

    start: float
    end: float
    view: str
    text: str | None = None

    def __post_init__(self):
        if self.view not in VIEWS:
            raise ValueError(f"view {self.view!r} of an event: expected one of {VIEWS}")
        for name in ("start", "end"):
            value = getattr(self, name)
            if (seconds := as_number(value)) is None:
                raise ValueError(f"{name} of an event is {value!r:.60}: expected seconds")
            object.__setattr__(self, name, seconds)
        if not 0 <= self.start < self.end < _FOREVER:
            raise ValueError(
                f"event from {self.start:g} to {self.end:g} s: expected 0 <= start < end, in "
                "seconds"
            )
        if self.text is not None and not (isinstance(self.text, str) and self.text.strip()):
            raise ValueError(f"text of an event is {self.text!r:.60}: expected words of its view")
        if self.view == "caption" and self.text is None:
            raise ValueError(f"caption from {self.start:g} to {self.end:g} s: it has no text")
        check_text("text", self.text or "")

    def __str__(self) -> str:
        words = "" if self.text is None else f" {self.text!r:.60}"
        return f"{self.view}={self.start:g}:{self.end:g}{words}"

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

    def within(self, start: float, end: float) -> float:
        """Seconds of the event between two times."""
        return max(0.0, min(self.end, end) - max(self.start, start))


Timeline: TypeAlias = tuple[Event, ...]
"""Events in any order; they may overlap."""
AnyTimeline: TypeAlias = Sequence[Event | Mapping[str, object]]
"""Events, or what JSON says of them."""


def parse_timeline(value: object) -> Timeline:
    """Reads the list that JSON holds; events may be there already.

    Raises:
      ValueError: it is no list of objects with these keys, or an event is wrong; says which.
    """
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise ValueError(f"a timeline is a list of events with {_KEYS}, not {value!r:.60}")
    events = []
    for number, item in enumerate(value, 1):
        if isinstance(item, Event):
            events.append(item)
            continue
        keys = item.keys() if isinstance(item, Mapping) else set()
        if not {"start", "end", "view"} <= keys <= set(_KEYS):
            raise ValueError(
                f"event {number} of the timeline is {item!r:.60}: expected keys {_KEYS}"
            )
        try:
            events.append(Event(**item))
        except ValueError as error:
            raise ValueError(f"event {number} of the timeline: {error}") from None
    return tuple(events)


def parse_timelines(value: object, count: int) -> list[Timeline]:
    """Reads one timeline for all of some prompts, or a list with one (or None) for each.

    Raises:
      ValueError: it is neither, there are more or fewer, or one is wrong.
    """
    if value is None:
        return [()] * count
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise ValueError(f"a timeline is a list of events with {_KEYS}, not {value!r:.60}")
    if not value or isinstance(value[0], Event | Mapping):
        return [parse_timeline(value)] * count
    if len(value) != count:
        raise ValueError(f"{len(value)} timelines for {count} prompts: give one for each")
    return [() if each is None else parse_timeline(each) for each in value]


def to_json(timeline: Iterable[Event]) -> list[dict[str, object]]:
    """The list that JSON holds; `parse_timeline` reads it back."""
    return [
        {name: value for name, value in dataclasses.asdict(event).items() if value is not None}
        for event in timeline
    ]


def event_ranges(text: str, timeline: Timeline) -> list[tuple[Event, tuple[int, int] | None]]:
    """The events in the order of time, with the characters that name them in a tagged string.

    Each is looked for in its view, after the one before it; None: it is not there.
    """
    ranges = view_ranges(text)
    searched: dict[str, int] = {}
    ordered = sorted(timeline, key=lambda event: (event.start, event.end))
    return [(event, _find(event, text, ranges, searched)) for event in ordered]


def _find(
    event: Event, text: str, ranges: dict[str, tuple[int, int]], searched: dict[str, int]
) -> tuple[int, int] | None:
    """The characters that name an event; `searched` remembers how far each view was read."""
    if event.view not in ranges:
        return None
    start, end = ranges[event.view]
    if event.text is None:
        return start, end
    words = re.compile(rf"(?<!\w){re.escape(event.text.strip())}(?!\w)", re.IGNORECASE)
    found = words.search(text, searched.get(event.view, start), end)
    if found is None:
        return None
    searched[event.view] = found.end()
    return found.span()
