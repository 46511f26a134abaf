"""Ids as file names: distinct, in one folder, readable, and read back."""

import os
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.jobs import file_names as module
from audiogen_jax.jobs.file_names import LONGEST, file_name, file_names

ANY = st.text(st.characters(codec=None), max_size=90)  # surrogates and all
NASTY = st.text(st.sampled_from('aAéÉ\u0301ßſ./\\:~%"\n\u202e\u200d狗🐕 '), max_size=9)


@given(st.lists(ANY | NASTY, unique=True, max_size=20))
def test_names_are_distinct_confined_and_read_back(ids: list[str]):
    names = file_names(ids, ".wav")
    assert names.keys() == set(ids)
    folded = {unicodedata.normalize("NFC", name.casefold()) for name in names.values()}
    assert len(folded) == len(ids), "a file system that ignores case holds them"
    for clip_id, name in names.items():
        assert os.path.basename(name) == name and name.endswith(".wav")
        assert name[0] != "." and not {*name} & {*'/\\:*?"<>|\0\n\x7f\u2028\u202e'}
        assert len(name.encode()) <= LONGEST
        if "~" not in name:
            assert unquote(name.removesuffix(".wav"), errors="surrogatepass") == clip_id


@pytest.mark.parametrize(
    ("clip_id", "name"),
    [
        ("狗在雨中叫" * 9, "狗在雨中叫" * 9 + ".wav"),
        ("собака лает", "собака лает.wav"),
        ("کتاب‌ها", "کتاب‌ها.wav"),
        ("ä ö (1)", "ä ö (1).wav"),
        ("a/b", "a%2Fb.wav"),
        ("../../a", "%2E.%2F..%2Fa.wav"),
        ("50%", "50%25.wav"),
        ("nul.x", "%6Eul.x.wav"),
        ("a\u2028b", "a%E2%80%A8b.wav"),
    ],
)
def test_names_stay_readable(clip_id: str, name: str):
    assert file_name(clip_id, ".wav") == name


def test_long_names_end_in_a_hash():
    first, second = (file_name("狗" * 100 + end, ".wav") for end in "ab")
    assert first != second and first.startswith("狗" * 59 + "~") and first.endswith(".wav")
    assert len(first.encode()) <= LONGEST
    assert file_name("x" * 196, ".wav") == "x" * 196 + ".wav"
    assert "~" in file_name("x" * 197, ".wav")


def test_names_that_some_systems_take_for_one():
    ids = ["Dog", "dog", "caf\u00e9", "cafe\u0301"]
    names = file_names(ids, ".wav")
    assert (names["Dog"], names["caf\u00e9"]) == ("Dog.wav", "caf\u00e9.wav")
    assert names["dog"].startswith("dog~") and names["cafe\u0301"].startswith("cafe\u0301~")


def test_a_system_without_utf_8(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.os, "fsencode", lambda text: text.encode("latin-1"))
    module._as_held.cache_clear()
    try:
        assert file_name("é狗", ".wav") == "é%E7%8B%97.wav"
    finally:
        module._as_held.cache_clear()
