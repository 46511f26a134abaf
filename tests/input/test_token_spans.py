import numpy as np
import pytest

from audiogen_jax.input.token_spans import token_spans
from audiogen_jax.timeline import Event

TEXT = "<|caption|> a dog and a voice <|asr|> two one two <|sfx|> a dog barking"


def offsets(text: str) -> list[tuple[int, int]]:
    """Tokens are words, and an end of text without characters."""
    found, start = [], 0
    for word in text.split(" "):
        found.append((start, start + len(word)))
        start += len(word) + 1
    return [*found, (0, 0)]


def spans_of(*events: Event, text: str = TEXT, length: int = 20):
    spans, absent = token_spans(text, offsets(text), events, length)
    words = [*text.split(" "), "</s>"][:length]
    sounding = {i: tuple(span) for i, span in enumerate(spans) if span[1]}
    return [(words[i], *map(float, span)) for i, span in sounding.items()], absent


def test_words_come_one_after_another():
    events = Event(0.0, 1.0, "asr", "two"), Event(1.0, 2.0, "asr", "one"), Event(2, 3, "asr", "two")
    assert spans_of(*events) == ([("two", 0, 1), ("one", 1, 2), ("two", 2, 3)], ())


def test_a_whole_view_shares_its_time_out_only_where_it_is_spoken():
    assert spans_of(Event(0.0, 3.0, "asr")) == ([("two", 0, 1), ("one", 1, 2), ("two", 2, 3)], ())
    found, _ = spans_of(Event(1.0, 2.0, "sfx"))
    assert found == [("a", 1, 2), ("dog", 1, 2), ("barking", 1, 2)]


def test_words_are_looked_for_in_their_view_as_words():
    found, absent = spans_of(Event(0.0, 1.0, "sfx", "dog"))
    assert found == [("dog", 0, 1)] and not absent
    missing = Event(0.0, 1.0, "sfx", "bark"), Event(0.0, 1.0, "music", "a dog")
    assert spans_of(*missing) == ([], missing)


@pytest.mark.parametrize("length", [1, 5, 9, 11])
def test_cut_texts(length):
    spans, absent = token_spans(TEXT, offsets(TEXT), (Event(0.0, 1.0, "sfx"),), length)
    assert spans.shape == (length, 2)
    assert bool(absent) == (not spans.any())


def test_a_token_keeps_its_first_event():
    found, absent = spans_of(Event(0.0, 1.0, "sfx"), Event(2.0, 3.0, "sfx"))
    assert {span[1:] for span in found} == {(0.0, 1.0)}
    assert absent == (Event(2.0, 3.0, "sfx"),)
    assert np.shape(found) == (3, 3)
