"""Error rates against jiwer's of a corpus and against edits counted here."""

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiogen_jax.evaluate.metrics.spoken_text import spoken_text, unspaced
from audiogen_jax.evaluate.metrics.word_errors import Errors, error_rate, transcript_errors

SENTENCES = st.lists(st.sampled_from("ah bee cat cats dog".split()), min_size=1).map(" ".join)
CORPORA = st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=5)


def edits(a, b) -> int:
    """Levenshtein's distance, a row at a time."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (x != y)))
    return row[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello,  WORLD!\n", "hello world"),
        (
            "Don’t — it's 'quoted' well-known rock 'n' roll",
            "don't it's quoted well known rock n roll",
        ),
        ("Track 7 of 42, in 3rd, 5.", "track seven of 42 in 3rd five"),
        ("Straße ﬁne ＡＢＣ snake_case", "strasse fine abc snake case"),
        ("¿Qué? 「你好」。 नमस्ते!", "qué 你好 नमस्ते"),
        ("e\u0301te\u0301", "été"),
        ("... '", ""),
    ],
)
def test_what_sounds_the_same(text: str, expected: str):
    assert spoken_text(text) == expected


def test_spaces_of_scripts_without_words_are_no_characters():
    """Punctuation of the reference leaves spaces that no recogniser writes."""
    assert transcript_errors("你好，世界。", "你好世界", "character") == Errors(0, 0, 0, 4)
    assert transcript_errors("他说 OK，好", "他说ok好", "character").total == 0
    assert transcript_errors("two words", "twowords", "character").total == 1
    assert unspaced("ﾃｽﾄ") and unspaced("a 你") and not unspaced("한국어 été")


@settings(max_examples=50)
@given(st.text())
def test_normalised_text_stays(text: str):
    assert spoken_text(spoken_text(text)) == spoken_text(text)


@settings(max_examples=12, deadline=None)
@given(CORPORA, st.randoms())
def test_as_jiwer_of_the_corpus(corpus: list[tuple[str, str]], random):
    references, transcripts = map(list, zip(*corpus, strict=True))
    for unit, measure in (("word", jiwer.wer), ("character", jiwer.cer)):
        errors = [transcript_errors(a.upper(), f"{b}!", unit) for a, b in corpus]
        for (a, b), count in zip(corpus, errors, strict=True):
            assert count.total == (
                edits(a, b) if unit == "character" else edits(a.split(), b.split())
            )
        rate = error_rate(errors)
        assert rate.value == pytest.approx(measure(references, transcripts), abs=1e-6)
        random.shuffle(errors)
        assert error_rate(errors) == rate


def test_by_hand():
    assert transcript_errors("one two three", "1 2, too four") == Errors(1, 0, 1, 3)
    assert transcript_errors("one two", "") == Errors(0, 2, 0, 2)
    assert transcript_errors("ab", "abc d", "character") == Errors(0, 0, 3, 2)
    rate = error_rate([Errors(1, 0, 0, 2), Errors(0, 0, 4, 4)])
    assert rate == (5 / 6, 0.5, 1.0)


def test_clips_without_words():
    assert transcript_errors(" ... ", "who said that") == Errors(0, 0, 3, 0)
    assert transcript_errors("", "ab c", "character") == Errors(0, 0, 4, 0)
    assert error_rate([Errors(0, 0, 3, 0), *[Errors(0, 1, 0, 6)] * 20]).value == pytest.approx(
        23 / 120
    )
    for nothing in ([], [Errors(0, 0, 3, 0)]):
        with pytest.raises(ValueError, match="none of them should speak"):
            error_rate(nothing)
