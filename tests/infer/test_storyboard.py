"""Timelines to scenes, and what the windows of a clip are conditioned on."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.infer.storyboard import Shot, asked_seconds, scenes_of, shots_of
from audiogen_jax.timeline import Event

TALK = StructuredCaption("a man talks", asr="seven two nine", env="rain")


def caption(start: float, end: float, text: str) -> Event:
    return Event(start, end, "caption", text)


def test_a_prompt_without_a_timeline_is_one_scene():
    (scene,) = scenes_of(TALK, ())
    assert scene == (0.0, math.inf, TALK, ())
    assert shots_of([scene], 900, 25.0, 125, 937) == ([Shot(TALK, None)], None)
    assert asked_seconds(()) is None


def test_captions_of_stretches_and_the_prompt_between_them():
    timeline = (caption(6, 8, "<|caption|> a dog <|sfx|> a bark"), caption(0, 2, "Rain falls."))
    assert asked_seconds(timeline) == 8
    scenes = scenes_of(TALK, timeline, 10.0)
    assert [(scene.start, scene.end) for scene in scenes] == [(0, 2), (2, 6), (6, 8), (8, 10)]
    rain, dog = StructuredCaption("Rain falls."), StructuredCaption("a dog", sfx="a bark")
    assert [scene.caption for scene in scenes] == [rain, TALK, dog, TALK]
    assert len(scenes_of(TALK, timeline)) == 3  # as long as they say


def test_events_belong_to_where_they_begin_and_to_what_names_them():
    timeline = (
        caption(0, 5, "<|caption|> a band <|music|> a waltz"),
        caption(5, 9, "<|caption|> a band <|music|> a waltz <|asr|> good night"),
        Event(4, 9, "music"),
        Event(6, 7, "asr", "good"),
        Event(1, 2, "sfx", "applause"),
    )
    first, second = scenes_of(None, timeline)
    assert first.caption == StructuredCaption("a band", music="a waltz", sfx="applause")
    assert set(first.timeline) == {timeline[2], timeline[4]}
    assert second.caption.asr == "good night"
    assert set(second.timeline) == {timeline[2], timeline[3]}


def test_words_of_events_become_the_view_that_is_missing():
    timeline = (Event(2, 3, "asr", "two"), Event(0, 1, "asr", "seven"))
    (scene,) = scenes_of(StructuredCaption("a man talks"), timeline, 4.0)
    assert scene.caption.asr == "seven two"


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([Event(3, 5, "asr", "two")], r"asr=3:5 'two' of the timeline ends after the clip of 4 s"),
        ([Event(1, 2, "sfx")], r"sfx=1:2 of the timeline: the caption has no 'sfx'"),
        ([Event(1, 2, "asr", "ten")], r"asr=1:2 'ten' of the timeline: .* does not say so"),
        ([Event(1, 2, "asr", "two"), Event(2, 3, "asr", "seven")], "not once more after"),
        ([Event(0, 1, "env"), Event(2, 3, "env")], "env=2:3 of the timeline: 'rain' has a time"),
        ([caption(0, 3, "x"), caption(2, 4, "y")], "captions of the timeline overlap from 2 to 3"),
        ([caption(0, 1, "<|voice|> x")], r"unknown tag <\|voice\|>"),
    ],
)
def test_what_cannot_be(events, message):
    with pytest.raises(ValueError, match=message):
        scenes_of(TALK, tuple(events), 4.0)


def test_without_a_prompt_captions_leave_no_gap():
    with pytest.raises(ValueError, match="no caption: give one"):
        scenes_of(None, (Event(0, 1, "asr", "two"),))
    with pytest.raises(ValueError, match="no caption from 2 to 3 s"):
        scenes_of(None, (caption(0, 2, "x"), caption(3, 4, "y")))


def test_windows_are_told_what_sounds_in_them():
    timeline = (
        Event(0.5, 1, "asr", "seven"),
        Event(11, 11.5, "asr", "nine"),
        Event(0, 12, "env"),
    )
    scenes = scenes_of(TALK, timeline, 12.0)
    shots, windows = shots_of(scenes, 300, 25.0, 125, 311)
    assert windows is not None
    told = [shots[number] for number in windows.prompts[0]]
    assert [shot.caption.asr for shot in told] == ["seven two", "two", "two", "two nine"]
    assert all(shot.caption.env == "rain" and timeline[2] in shot.timeline for shot in told)
    assert [len(shot.timeline) for shot in told] == [2, 1, 1, 2]
    assert len(shots) == 3  # equal windows share one
    assert shots_of(scenes[:1], 100, 25.0, 125, 125)[1] is None  # one window sees it all


def test_captions_are_left_as_they_are_written():
    odd = StructuredCaption("rain , and  wind;", asr="one, two,  three", sfx="a bell, a dog")
    timeline = (Event(0, 1, "asr", "two"), Event(9, 10, "sfx", "a bell"))
    shots, _ = shots_of(scenes_of(odd, timeline, 12.0), 300, 25.0, 125, 311)
    assert {shot.caption.caption for shot in shots} == {odd.caption}
    assert {shot.caption.asr for shot in shots} == {odd.asr, "one, three"}
    assert {shot.caption.sfx for shot in shots} == {odd.sfx, "a dog"}


def test_scenes_have_a_frame_at_least():
    timeline = (caption(0, 2, "x"), caption(2, 2.001, "y"), caption(2.001, 4, "z"))
    with pytest.raises(ValueError, match="from 2 to 2.001 s is shorter than a latent frame"):
        shots_of(scenes_of(None, timeline), 100, 25.0, 125, 125)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(0, 30))
def test_every_frame_is_seen_under_the_caption_of_its_scene(lengths, padding):
    """All but the fades; and each frame has shares of one in all."""
    ends = np.cumsum(lengths).tolist()
    timeline = tuple(
        caption(start, end, f"scene {number}")
        for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
    )
    frames, window = ends[-1], 20
    length = max(frames + padding, min(window, 20))
    shots, windows = shots_of(scenes_of(None, timeline), frames, 1.0, window, length)
    if windows is None:
        assert len(lengths) == 1
        return
    shares = np.zeros((len(shots), length))
    for start, weight, number in zip(
        windows.starts[0], windows.weights[0], windows.prompts[0], strict=True
    ):
        assert 0 <= start <= length - window
        shares[number, start : start + window] += weight
    np.testing.assert_allclose(shares[:, :frames].sum(axis=0), 1.0, atol=1e-5)
    assert not shares[:, frames:].any()
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        inside = shares[number, start:end]
        assert (inside > 0.5 - 1e-5).all()
        np.testing.assert_allclose(inside[2:-2], 1.0, atol=1e-5)
