"""Mixtures are asked for, counted kind by kind, and some of them are given to listen to."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.metrics.shares import share_of
from audiogen_jax.evaluate.suite import Context, Model
from audiogen_jax.evaluate.suites import nano_mixtures
from audiogen_jax.evaluate.suites.nano_mixtures import NanoMixtures
from audiogen_jax.evaluate.suites.real_mixtures import KINDS, SECONDS
from tests.evaluate.suites.test_timing import Late

EXPECTED = {"digits": "two", "sounds": "dog"}
KIND = next(iter(KINDS))


@dataclasses.dataclass
class Numbered(Late):
    """Generates clips that hold the number of their prompt."""

    def generate(self, prompts, *, ids, duration, **options):
        assert duration == SECONDS and ids == [f"mix/{n}" for n in range(len(prompts))]
        clip = dataclasses.make_dataclass("Clip", ["audio"])
        return [clip(np.full(100, float(n))) for n in range(len(prompts))]


def mixture(number: int) -> SimpleNamespace:
    return SimpleNamespace(
        id=f"mix/{number}",
        prompt=StructuredCaption(f"mixture {number}"),
        expected=EXPECTED,
        real=np.full(100, -1.0 - number),
        clips=("a", "b"),
    )


def test_shares_and_examples(monkeypatch):
    heard = []

    def shares_heard(expected, clips, listeners, sample_rate):
        assert expected == [EXPECTED] * 3
        heard.append([clip[0] for clip in clips])
        return {"all": share_of(len(heard), 3)}

    def mixtures(kind, held_out, count, seed):
        return [mixture(number) for number in range(count)] if kind == KIND else []

    judge = SimpleNamespace(tasks=())
    monkeypatch.setattr(nano_mixtures, "cached_judge", lambda *arguments: judge)
    monkeypatch.setattr(nano_mixtures, "mixtures", mixtures)
    monkeypatch.setattr(nano_mixtures, "shares_heard", shares_heard)
    monkeypatch.setattr(nano_mixtures, "chances", lambda *arguments: {"all": 0.01})
    monkeypatch.setattr(nano_mixtures, "heard_in", lambda clip, *others: f"{clip[0]:g}")
    monkeypatch.setattr(nano_mixtures, "rebuild", lambda codec, clip: 2 * clip)
    model = Model(Numbered(), Numbered())  # type: ignore[arg-type]
    measured = NanoMixtures(pairs=3).run(model, [], Context(Path(), examples=2))
    assert heard == [[0, 1, 2], [-1, -2, -3], [-2, -4, -6]]  # generated, real, rebuilt
    assert measured.results[KIND]["generated_to_real"] == {"all": 0.5}
    assert [each.verdict for each in measured.examples] == ["0", "2"]
    assert measured.examples[1].prompt == mixture(2).prompt.format()
    assert [clip[0] for clip in measured.examples[1].clips.values()] == [2, -3]
