import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.timeline import Event, parse_timeline, to_json


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
        ("caption=0:1", "expected one of"),
        ("asr=2:1", "start < end"),
        ("asr=-1:1", "start < end"),
        ("asr=0:inf", "start < end"),
        ("asr=nan:1", "start < end"),
    ],
)
def test_errors(text, message):
    with pytest.raises(ValueError, match=message):
        Event.parse(text)


def test_in_a_window():
    event = Event(1.0, 4.0, "sfx")
    assert event.shifted(2.0, 5.0) == Event(0.0, 2.0, "sfx")
    assert event.shifted(0.0, 2.0) == Event(1.0, 2.0, "sfx")
    assert event.shifted(4.0, 5.0) is None
    assert Event(3.0, 4.0, "asr").shifted(0.0, 3.0) is None
