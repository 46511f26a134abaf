"""Timelines to scenes and windows: which caption is heard when, and when what it names sounds."""

import dataclasses
import itertools
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from audiogen_jax.caption import VIEWS, StructuredCaption
from audiogen_jax.flow.windows import Windows, scene_windows
from audiogen_jax.timeline import Event, Timeline, event_ranges

SAME = 1e-6
"""Seconds between times that are the same but for rounding."""
HALF = 0.5
"""Of an event, or of a window if that is shorter, that lies in a window to be named there."""


class Scene(NamedTuple):
    """A stretch of a clip under one caption.

    Attributes:
      start, end: seconds; the end may be infinite, of a clip whose length is not known.
      caption: all that is heard.
      timeline: when, of what of it that is said, in seconds of the clip.
    """

    start: float
    end: float
    caption: StructuredCaption
    timeline: Timeline


class Shot(NamedTuple):
    """What a window is conditioned on.

    Attributes:
      caption: of the window.
      timeline: what of it sounds when; None in clips of which nothing of that kind is said.
    """

    caption: StructuredCaption
    timeline: Timeline | None


def asked_seconds(timeline: Timeline) -> float | None:
    """How long a timeline with captions is; None without any."""
    return max((event.end for event in timeline if event.view == "caption"), default=None)


def scenes_of(
    caption: StructuredCaption | None, timeline: Timeline, seconds: float = math.inf
) -> list[Scene]:
    """The scenes of a clip, one after another.

    An event belongs to the scene in which it begins, and to those that it reaches into and that
    name it. Its words are in the view; where the caption does not have the view, they become it.

    Args:
      caption: where the timeline has none; None if it always has one.
      timeline: of the clip.
      seconds: of the clip.

    Raises:
      ValueError: an entry ends after the clip, captions overlap, a stretch has none, or words are
        not in the view that should name them.
    """
    if math.isinf(seconds):
        seconds = asked_seconds(timeline) or seconds
    for entry in timeline:
        if entry.end > seconds + SAME:
            raise ValueError(f"{entry} of the timeline ends after the clip of {seconds:g} s")
    events = [event for event in timeline if event.view != "caption"]
    stretches = _stretches(caption, [e for e in timeline if e.view == "caption"], seconds)
    scenes = []
    for start, end, text in stretches:
        here = [event for event in events if start <= event.start < end]
        text = _with_views_of(here, text)
        others = [event for event in events if event.start < start and event.within(start, end)]
        found = [event for event, where in event_ranges(text.format(), tuple(others)) if where]
        _check_named(text, tuple(here))
        scenes.append(Scene(start, end, text, (*found, *here)))
    return scenes


def _stretches(
    caption: StructuredCaption | None, entries: list[Event], seconds: float
) -> list[tuple[float, float, StructuredCaption]]:
    """Start, end and caption of every scene."""
    if not entries:
        if caption is None:
            raise ValueError("no caption: give one, or a timeline with entries of view 'caption'")
        return [(0.0, seconds, caption)]
    entries = sorted(entries, key=lambda entry: entry.start)
    stretches: list[tuple[float, float, StructuredCaption]] = []
    edge = 0.0
    for entry in [*entries, None]:
        start = seconds if entry is None else entry.start
        if start < edge - SAME:
            raise ValueError(f"captions of the timeline overlap from {start:g} to {edge:g} s")
        if start > edge + SAME:
            if caption is None:
                raise ValueError(
                    f"no caption from {edge:g} to {start:g} s: give one to the timeline, or a "
                    "prompt that holds where it has none"
                )
            stretches.append((edge, start, caption))
        if entry is not None:
            stretches.append((max(entry.start, edge), entry.end, _parse(str(entry.text))))
            edge = entry.end
    return stretches


def _parse(text: str) -> StructuredCaption:
    """A tagged string, or a plain sentence."""
    return StructuredCaption.parse(text) if "<|" in text else StructuredCaption(text)


def _with_views_of(events: Sequence[Event], caption: StructuredCaption) -> StructuredCaption:
    """The caption, with the words of events as the views that it does not have."""
    views = {}
    for view in VIEWS[1:]:
        named = sorted((e for e in events if e.view == view), key=lambda e: (e.start, e.end))
        if named and getattr(caption, view) is None:
            if silent := [event for event in named if event.text is None]:
                raise ValueError(
                    f"{silent[0]} of the timeline: the caption has no {view!r}; give it, or the "
                    "words to the timeline"
                )
            views[view] = (" " if view == "asr" else ", ").join(str(e.text) for e in named)
    return dataclasses.replace(caption, **views)


def _check_named(caption: StructuredCaption, events: Timeline) -> None:
    """Every event has words of its own."""
    taken: list[tuple[int, int]] = []
    for event, where in event_ranges(caption.format(), events):
        view = getattr(caption, event.view)
        if where is None:
            raise ValueError(
                f"{event} of the timeline: {event.view!r} of the caption, {view!r:.60}, does not "
                "say so, or not once more after what sounds before"
            )
        if any(first < where[1] and where[0] < last for first, last in taken):
            raise ValueError(f"{event} of the timeline: {view!r:.60} has a time already")
        taken.append(where)


def shots_of(
    scenes: Sequence[Scene], frames: int, rate: float, window: int, length: int
) -> tuple[list[Shot], Windows | None]:
    """What a clip is conditioned on, and its windows if they differ in that.

    Args:
      scenes: of the clip.
      frames: latent frames of it.
      rate: latent frames per second.
      window: most frames that the model sees at a time.
      length: frames to sample, at least `frames`.

    Returns:
      The shots, and windows whose prompts are the numbers of these; None: it has one shot.

    Raises:
      ValueError: a scene is shorter than a frame.
    """
    timed = any(scene.timeline for scene in scenes)
    if len(scenes) == 1 and (frames <= window or not timed):
        return [Shot(scenes[0].caption, scenes[0].timeline if timed else None)], None
    edges = [round(scene.start * rate) for scene in scenes] + [frames]
    for (first, last), scene in zip(itertools.pairwise(edges), scenes, strict=True):
        if first >= last:
            raise ValueError(
                f"the caption from {scene.start:g} to {scene.end:g} s is shorter than a latent "
                f"frame of {1 / rate:g} s"
            )
    windows, seen = scene_windows(edges, min(window, length), length)
    shots: dict[Shot, int] = {}
    numbers = []
    for scene, (first, last) in zip(windows.prompts[0], seen / rate, strict=True):
        shot = _in_window(scenes[int(scene)], float(first), float(last))
        shot = shot if timed else shot._replace(timeline=None)
        numbers.append(shots.setdefault(shot, len(shots)))
    if len(shots) == 1 and frames <= window:
        return [*shots], None
    return [*shots], windows._replace(prompts=np.array([numbers], np.int32))


def _in_window(scene: Scene, start: float, end: float) -> Shot:
    """The caption of a scene without events that sound elsewhere."""
    text = scene.caption.format()
    kept, cut = [], []
    for event, where in event_ranges(text, scene.timeline):
        needed = HALF * min(event.end - event.start, end - start)
        if event.within(start, end) >= needed - SAME:
            kept.append(event)
        elif where is not None:
            cut.append(where)
    for first, last in sorted(cut, reverse=True):
        text = text[:first] + text[last:]
    whole, views = vars(scene.caption), vars(StructuredCaption.parse(text))
    changed = {view: _tidy(words or "") for view, words in views.items() if words != whole[view]}
    return Shot(dataclasses.replace(scene.caption, **changed), tuple(kept))


def _tidy(words: str) -> str:
    """Words without the separators of those that were cut out."""
    return re.sub(r"\s*,(?:\s*,)+", ",", re.sub(r"\s+", " ", words)).strip(" ,;")
