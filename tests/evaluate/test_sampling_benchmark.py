"""The benchmark of sampling is rehearsed on a tiny model: rows, who hears what, the same noise."""

from types import SimpleNamespace

import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.caption import StructuredCaption
from audiogen_jax.infer.options import SamplingOptions
from tests.benchmarks import sampling
from tests.benchmarks.sampling import MIXED, Asked, Row, hear, make, measure, table
from tests.evaluate.melodies import RECORDINGS

OPTIONS = SamplingOptions(steps=1)
ROWS = [
    Row("one step", OPTIONS),
    Row("again", OPTIONS),
    Row("of mixtures", OPTIONS, (MIXED,)),
    Row("caption alone", OPTIONS, plain=True),
]


def test_rehearsal(tiny_checkpoint, judge, monkeypatch):
    heard_clips = []
    monkeypatch.setitem(sampling.KINDS, "digits", 0.3)
    monkeypatch.setattr(
        sampling, "make", lambda *a: heard_clips.append(make(*a)) or heard_clips[-1]
    )
    pipeline = ag.load(tiny_checkpoint)
    measured = measure(pipeline, judge, RECORDINGS, 2, (1, 2), ROWS)
    rows = measured["rows"]
    assert [*rows] == ["one step", "again", "caption alone"]  # nothing to mix is here
    assert len(measured["prompts"]) == 4 and len({*measured["prompts"].values()}) > 1
    assert all("<|asr|>" in prompt for prompt in measured["prompts"].values())
    assert rows["one step"]["calls"] == 2
    assert rows["again"]["all_less_reference"][:3] == (0.0, 0.0, 0.0)
    assert rows["again"]["kad"] == rows["one step"]["kad"] != rows["caption alone"]["kad"]
    heard = rows["one step"]["heard"]
    assert [*heard] == ["digits: digits", "digits: digits, PocketSphinx", "all"]
    assert heard["all"].clips == 4 and rows["one step"]["silent"] == 0
    assert [row[:2] for row in table(rows).rows] == [[name, "2"] for name in rows]
    made = dict(zip(rows, heard_clips, strict=True))
    names = [*measured["prompts"]]
    same = pipeline.generate([*measured["prompts"].values()], 2, 1, duration=0.3, ids=names)
    for name, clip, other in zip(names, made["one step"], same, strict=True):
        assert (np.abs(clip - other.audio).max() < 1e-4) == name.startswith("2/")  # its seed
    assert np.abs(made["caption alone"][0] - made["one step"][0]).max() > 1e-3
    with pytest.raises(ValueError, match="no held-out recording"):
        measure(pipeline, judge, RECORDINGS[::2], 0, (1,), ROWS)


def test_all_is_heard_where_every_part_is_and_nothing_in_silence():
    answers = {
        "digits": {"digits": ["two"] * 3, "digits, PocketSphinx": ["two", "", "two"]},
        "sounds": {"sounds": ["dog", "dog", "dog"]},
    }
    listeners = SimpleNamespace(answers=lambda part, clips, rate: answers[part])
    expected = {"digits": "two", "sounds": "dog"}
    asked = [Asked(str(n), MIXED, 1, StructuredCaption("a"), expected) for n in range(3)]
    clips = [np.ones(9), np.ones(9), np.zeros(9)]
    heard = hear(asked, clips, listeners, 16000)  # pyright: ignore
    assert {name: hits.tolist() for name, hits in heard.items()} == {
        "digit and sound: digits": [True, True, False],
        "digit and sound: digits, PocketSphinx": [True, False, False],
        "digit and sound: sounds": [True, True, False],
        "all": [True, False, False],
    }
