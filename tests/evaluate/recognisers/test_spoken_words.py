"""PocketSphinx hears words of real recordings, at any level and in any order."""

import numpy as np
import pytest

from audiogen_jax.evaluate.recognisers.spoken_words import SpokenWords
from audiogen_jax.files.audio import read_audio
from tests.input.conftest import CLIPS

WORDS = tuple(sorted({path.parent.name for path in (CLIPS / "words").rglob("*.flac")}))


@pytest.fixture(scope="module")
def clips():
    paths = sorted((CLIPS / "words").rglob("*.flac"))
    return [(path.parent.name, read_audio(path, 16000).samples[:, 0]) for path in paths]


def test_words_are_heard(clips):
    recogniser = SpokenWords(WORDS)
    audio = [samples for _, samples in clips]
    answers = recogniser.answers(audio, 16000)
    right = [answer == word for answer, (word, _) in zip(answers, clips, strict=True)]
    assert np.mean(right) > 2 / len(WORDS)
    assert recogniser.answers([0.01 * samples for samples in audio[::-1]], 16000) == answers[::-1]


def test_when_a_word_is_said(clips):
    """At its recording's time, of those that are heard right."""
    recogniser = SpokenWords(WORDS)
    laid = [np.pad(samples, (12000, 8000)) for _, samples in clips]
    heard = recogniser.hear(laid, 16000)
    right = [
        word for word, (name, _) in zip(heard, clips, strict=True) if word and word.word == name
    ]
    assert right and all(0.7 < word.start < word.end < 2.0 for word in right)
    assert [word.word if word else "" for word in heard] == recogniser.answers(laid, 16000)


def test_silence_is_no_word():
    assert SpokenWords(WORDS).answers([np.zeros(8000, np.float32)], 8000) == [""]


def test_unknown_words():
    with pytest.raises(ValueError, match="without a pronunciation .*'xqzt'"):
        SpokenWords(("one", "xqzt"))
