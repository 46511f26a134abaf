"""Shots of a scene and what they become: one caption with its times, or a storyboard."""

import dataclasses
from collections.abc import Sequence

from audiogen_jax.caption import VIEWS, StructuredCaption
from audiogen_jax.timeline import Event, Timeline


@dataclasses.dataclass(frozen=True)
class Shot:
    """A stretch of sound under one caption.

    Attributes:
      caption: all that is heard.
      seconds: how long it is; None lets the model decide.
      events: what of it sounds when, in seconds of the shot.
    """

    caption: StructuredCaption
    seconds: float | None = None
    events: Timeline = ()


def merged(text: str, shots: Sequence[Shot]) -> StructuredCaption:
    """One caption of everything in some shots: the sentence that they are of, and all views."""
    if len(shots) == 1:
        return shots[0].caption
    views = {
        view: ", ".join(dict.fromkeys(filter(None, (getattr(s.caption, view) for s in shots))))
        for view in VIEWS[1:]
    }
    return StructuredCaption(text, **views)


def storyboard(shots: Sequence[Shot]) -> Timeline:
    """The timeline of shots one after another, for `audiogen generate --timeline`.

    Args:
      shots: each with its seconds.

    Raises:
      ValueError: no shots, or one whose length is not said.
    """
    if not shots:
        raise ValueError("a storyboard of no shots: write what is heard")
    events: list[Event] = []
    start = 0.0
    for number, shot in enumerate(shots, 1):
        if shot.seconds is None:
            raise ValueError(f"shot {number} of a storyboard: say how many seconds it lasts")
        end = round(start + shot.seconds, 3)
        events.append(Event(start, end, "caption", shot.caption.format()))
        events += [
            dataclasses.replace(event, start=start + event.start, end=start + event.end)
            for event in shot.events
        ]
        start = end
    return tuple(events)


def as_json(timeline: Timeline) -> list[dict[str, object]]:
    """What a timeline is in JSON; times are rounded to milliseconds."""
    return [
        {
            "start": round(event.start, 3),
            "end": round(event.end, 3),
            "view": event.view,
            **({} if event.text is None else {"text": event.text}),
        }
        for event in timeline
    ]
