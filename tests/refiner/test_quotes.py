"""Quotations are what is said, and apostrophes are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.refiner.quotes import quotations


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('A man says "seven".', ["seven"]),
        ('"One" and then “two”, she counts', ["One", "two"]),
        ("A boy shouts 'over here' and runs", ["over here"]),
        ("A boy shouts 'don't go' and runs", ["don't go"]),
        ("She says ‘it’s late’ and leaves", ["it’s late"]),
        ("Er sagt „Hallo“ und geht", ["Hallo"]),
        ("une femme dit « bonjour »", [" bonjour "]),
        ("她说「你好」，然后说“再见”", ["你好", "再见"]),
        ("“He said 'no' twice”", ["He said 'no' twice"]),
        ("the men don't talk, the dogs' bark isn't loud", []),
        ("'90s rock 'n' roll of the drummers' band", []),
        ('a 12" record and a 7" single', []),
        ('a song called "Yesterday"', []),
        ('nothing closes "this', []),
        ('"" and " "', []),
    ],
)
def test_what_is_said(text: str, said: list[str]):
    assert [text[start:end] for start, end in quotations(text)] == said


@given(st.text("\"'“”‘’«»「」 ab,3\n"))
def test_quotations_stand_between_marks_in_order(text: str):
    edge = 0
    for start, end in quotations(text):
        assert edge < start < end < len(text) + 1
        assert text[start - 1] in "\"'“”‘«「" and text[end] in "\"'”“’»」"
        assert text[start:end].strip()
        edge = end
