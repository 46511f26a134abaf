"""Plain sentences to views: what is said, what sounds, and what is asked to be absent."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import audiogen_jax as ag
from audiogen_jax.caption import VIEWS
from audiogen_jax.refiner.clauses import LABELS, ClauseModel
from audiogen_jax.refiner.quotes import quotations
from audiogen_jax.refiner.words import stem, words_of

FRAGMENTS = st.sampled_from(
    [
        "a man says",
        '"seven"',
        "a dog barks",
        "in the rain",
        "no music",
        ",",
        " and ",
        "while",
        "“hi”",
    ]
)
sentences = st.lists(FRAGMENTS | st.text(max_size=12), min_size=1).map(" ".join)
plain = sentences.filter(lambda text: text.strip() and "<|" not in text)


def views(text: str) -> dict[str, str]:
    return {view: value for view, value in vars(ag.refine(text)).items() if value is not None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'A man says "seven" while a dog barks in the rain',
            {"speech": "A man says", "asr": "seven", "sfx": "a dog barks", "env": "in the rain"},
        ),
        (
            "Please make a calm female voice speaking over soft piano music, without drums",
            {"speech": "a calm female voice speaking", "music": "soft piano music"},
        ),
        (
            "Upbeat jazz music with a saxophone, no speech or singing",
            {"music": "Upbeat jazz music with a saxophone"},
        ),
        ('Nobody says "stop", glass breaks', {"sfx": "glass breaks"}),
        ("她说「你好」，狗在叫", {"asr": "你好"}),
        ("Ein Mann sagt „sieben“, ein Hund bellt laut", {"asr": "sieben"}),
    ],
)
def test_views_of_sentences(text: str, expected: dict[str, str]):
    assert views(text) == {"caption": text, **expected}


@given(plain)
def test_any_sentence_is_refined(text: str):
    scene = ag.refine(text)
    assert scene.caption == text.strip()
    assert ag.refine(scene.format()) == scene
    quoted = [text[start:end] for start, end in quotations(text)]
    assert all(word in " ".join(quoted).split() for word in _split(scene.asr))
    for view in LABELS:
        for clause in _split(getattr(scene, view)):
            assert clause in text


def _split(text: str | None) -> list[str]:
    """Words without the punctuation that joins clauses."""
    return [word for word in re.split(r"[\s,]+", text or "") if word]


def test_a_tagged_string_stays_as_it_is():
    text = '<|caption|> A man says "seven". <|music|> piano'
    assert ag.refine(text).format() == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing to refine"),
        (" \n\u3000", "nothing to refine"),
        ("a dog \ud83d barks", "half of a character"),
        ("rain <|env|> street", "before the first tag"),
    ],
)
def test_what_cannot_be_refined(text: str, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        ag.refine(text)


def test_a_long_text_is_refined():
    text = "A dog barks, “" * 3000 + 'a man says "seven"' * 3000
    assert ag.refine(text).caption == text


def test_another_refiner_is_asked_but_for_tagged_strings():
    class Shouting:
        def refine(self, text: str) -> ag.StructuredCaption:
            return ag.StructuredCaption(text, speech=text.upper())

    assert ag.refine("hello", Shouting()).speech == "HELLO"
    assert ag.refine("<|caption|> hello", Shouting()).speech is None


@pytest.mark.parametrize(
    ("forms", "root"),
    [
        ("bark barks barked barking", "bark"),
        ("horse horses", "hors"),
        ("run runs running", "run"),
        ("cry cries crying", "cri"),
        ("glass glasses", "glass"),
        ("she's she", "she"),
    ],
)
def test_forms_of_a_word_share_a_stem(forms: str, root: str):
    assert {stem(form) for form in forms.split()} == {root}


def test_a_clause_begins_where_that_pays():
    """Scores 1 for sfx and env each: the cost of a new clause decides."""
    weights = {"bark": [0, 1, 0, 0], "rain": [0, 0, 0, 1]}
    words = words_of("barks in rain")

    def labels(cost: float) -> list[str]:
        model = ClauseModel(weights, [0, 0, 0, 0], [9, 9, cost, 9, 9])
        return [clause.view for clause in model.clauses(words)]

    assert labels(0.9) == ["sfx", "env"]
    assert len(labels(1.1)) == 1


def test_pairs_of_words_count_within_a_clause():
    weights = {"bark": [0, 1, 0, 0], "dog bark": [2, 0, 0, 0], "dog": [0, 0, 0, 0]}
    model = ClauseModel(weights, [0, 0, 0, 0], [0, 9, 9, 9, 9])
    assert model.clauses(words_of("dog barks"))[-1].view == "speech"
    assert model.clauses(words_of("dog, barks"))[-1].view == "sfx"


def test_views_are_those_of_captions():
    assert {*LABELS, "caption", "asr"} == {*VIEWS}
