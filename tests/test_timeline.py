import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.timeline import Event, parse_timeline, parse_timelines, to_json


@st.composite
def events(draw):
    start = draw(st.floats(0, 100))
    length = draw(st.floats(0.01, 100))
    view = draw(st.sampled_from(["speech", "asr", "sfx", "music", "env"]))
    text = draw(st.none() | st.text(min_size=1).filter(str.strip))
    return Event(start, start + length, view, text)


@given(st.lists(events(), max_size=3))
def test_json_reads_back(timeline):
    assert list(parse_timeline(json.loads(json.dumps(to_json(timeline))))) == timeline


json_values = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just([])
almost = st.lists(
    st.fixed_dictionaries({name: json_values for name in ("start", "end", "view", "text")}),
    max_size=2,
)


@given(json_values | almost)
def test_anything_else_is_a_value_error(value):
    try:
        parse_timeline(value)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("asr=0.4:1.1", Event(0.4, 1.1, "asr")),
        ("sfx=2:3 a dog barking", Event(2, 3, "sfx", "a dog barking")),
        (" env=0:10 ", Event(0, 10, "env")),
    ],
)
def test_written_in_a_line(text, expected):
    assert Event.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("asr", "VIEW=START:END"),
        ("asr=1", "VIEW=START:END"),
        ("asr=a:b", "seconds"),
        ("voice=0:1", "expected one of"),
        ("caption=0:1", "has no text"),
        ("asr=2:1", "start < end"),
        ("asr=-1:1", "start < end"),
        ("asr=0:inf", "start < end"),
        ("asr=nan:1", "start < end"),
    ],
)
def test_errors(text, message):
    with pytest.raises(ValueError, match=message):
        Event.parse(text)


def test_seconds_between_times():
    event = Event(1.0, 4.0, "sfx")
    assert (event.within(2.0, 5.0), event.within(0.0, 2.0), event.within(4.0, 5.0)) == (2, 1, 0)


def test_one_for_all_or_one_for_each():
    event, row = Event(0.0, 1.0, "sfx", "rain"), {"start": 0, "end": 1, "view": "env"}
    assert parse_timelines(None, 2) == parse_timelines([], 2) == [(), ()]
    assert parse_timelines([event], 2) == [(event,), (event,)]
    assert parse_timelines([[row], None], 2) == [(Event(0, 1, "env"),), ()]
    with pytest.raises(ValueError, match="1 timelines for 2 prompts"):
        parse_timelines([[event]], 2)
    with pytest.raises(ValueError, match="a timeline is a list"):
        parse_timelines("asr=0:1", 1)
    with pytest.raises(ValueError, match="event 2 of the timeline: view 'voice'"):
        parse_timelines([event, {**row, "view": "voice"}], 1)
