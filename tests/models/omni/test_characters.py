"""Transcripts to characters and syllables, against the release's rows."""

import hashlib
import json
import random
import sys
from importlib import resources

import numpy as np
import pytest

from audiogen_jax.models.omni.conditioners import characters
from tests.parity.golden import FOLDER

CASES = [
    row
    for name in ("text_ids", "text_ids_more")
    for row in json.loads((FOLDER / "audio_omni" / f"{name}.json").read_text())["rows"]
]


@pytest.fixture
def no_dictionaries(monkeypatch):
    for name in ("jieba", "pypinyin"):
        monkeypatch.setitem(sys.modules, name, None)
    characters._dictionary.cache_clear()
    yield
    characters._dictionary.cache_clear()


def test_the_vocabulary_is_that_of_the_release():
    expected = json.loads((FOLDER / "audio_omni" / "text_ids.json").read_text())["vocab_sha256"]
    file = resources.files(characters.__package__).joinpath("characters.txt")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == expected
    assert len(characters.vocabulary()) == 2545 and characters.vocabulary()[" "] == 0


@pytest.mark.parametrize("row", CASES, ids=lambda row: row["text"][:16])
def test_rows_of_the_release(row):
    if not row["text"].isascii():
        pytest.importorskip("jieba")
        pytest.importorskip("pypinyin")
    assert characters.tokens(row["text"]) == row["tokens"]
    ids = characters.transcript_ids([row["text"]], len(row["ids"]) + 2)
    np.testing.assert_array_equal(ids[0], [*np.add(row["ids"], 1), 0, 0])
    np.testing.assert_array_equal(characters.transcript_ids([row["text"]], 2), ids[:, :2])


def test_ascii_is_cut_as_jieba_cuts_it():
    jieba, draw = pytest.importorskip("jieba"), random.Random(0)
    letters = "abXYZ0149 +#&._%-:;,'\"\t\n()!?$S"
    for _ in range(300):
        text = "".join(draw.choice(letters) for _ in range(draw.randint(1, 25)))
        assert list(characters._pieces(text)) == list(jieba.cut(text)), repr(text)


def test_words_of_the_dictionary():
    pytest.importorskip("jieba")
    assert characters.tokens("C# and c++") == [*"C#", " ", *"and", " ", *"c++"]


def test_english_needs_no_dictionary(no_dictionaries):
    assert characters.tokens("Audio-Omni") == [*"Audio-", " ", *"Omni"]
    for text in ("北京", "C# is a note"):
        with pytest.raises(ValueError, match=r"not installed: pip install 'audiogen-jax\[zh\]'"):
            characters.tokens(text)
