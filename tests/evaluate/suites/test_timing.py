"""Words and events at a time: real ones are laid where they are asked for, and late ones late."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Model
from audiogen_jax.evaluate.suites import timing
from audiogen_jax.evaluate.suites.timing import FORMS, Timing, energy_onsets, timed_clips
from audiogen_jax.infer.storyboard import scenes_of

RATE = 16000


def recording(name: str, seconds: float, views: dict) -> Recording:
    samples = np.random.default_rng(len(name)).normal(0, 0.1, int(RATE * seconds))
    samples[:1600] *= 0.001  # it begins to sound later than it begins
    return Recording(name, samples.astype(np.float32), RATE, "val", views, name)


RECORDINGS = [
    recording(name, 0.6, {"caption": (name,), "speech": ("a man",), "asr": (name,)})
    for name in ("one", "two")
] + [
    recording(name, 5.0, {"caption": (name,), "sfx": (f"a {name}",)}) for name in ("dog", "rooster")
]


def test_what_is_asked_for():
    for form in FORMS:
        rows = timed_clips(form, RECORDINGS, 6, seed=0)
        assert len({row.id for row in rows}) == 6
        for row in rows:
            assert len(row.real) == round(row.seconds * RATE) and np.abs(row.real).max() <= 0.5
            scenes_of(row.prompt, row.timeline, row.seconds)  # as the generator reads it
            assert row.asked == row.timeline[0].start and 2.0 <= row.seconds <= 4.0
            assert row.timeline[0].end <= row.seconds + 1e-6
            assert 0 <= row.asked <= row.latest + 1e-6
    words = {row.prompt.asr for row in timed_clips("word", RECORDINGS, 4, seed=0)}
    assert words == {"one", "two"}
    assert timed_clips("word", RECORDINGS[2:], 4, seed=0) == []
    assert timed_clips(FORMS[2], RECORDINGS[:2], 4, seed=0) == []


def test_real_events_begin_when_they_should():
    """The stretch that is laid begins where its recording begins to sound."""
    rows = timed_clips("event", RECORDINGS, 6, seed=0)
    onsets = energy_onsets([row.real for row in rows], RATE)
    assert onsets == pytest.approx([row.asked for row in rows], abs=0.02)


@dataclasses.dataclass
class Late:
    """Generates the real clips, half a second late every other time; its codec changes nothing."""

    late: float = 0.5
    timeline: bool = True
    sample_rate: int = RATE
    samples_per_latent: int = 1
    channels: int = 1

    @property
    def generator(self):
        return self

    def settled(self, options):
        return options

    def generate(self, prompts, *, seed, ids, duration, timeline, **options):
        clips = []
        for row, (seconds, events) in enumerate(zip(duration, timeline, strict=True)):
            audio = 1e-4 * np.ones(round(seconds * RATE))
            first = round((events[0].start + self.late * (row % 2)) * RATE)
            audio[first : first + 3200] = 0.3
            clips.append(dataclasses.make_dataclass("Clip", ["audio"])(audio))
        return clips

    def encode(self, audio):
        return audio[..., None]

    def decode_each(self, latents, lengths):
        return np.asarray(latents)[..., 0]


def test_shares(monkeypatch):
    monkeypatch.setattr(timing, "_word_detectors", lambda: ({"ears": energy_onsets}, "no VAD"))
    model = Model(Late(), Late())  # type: ignore[arg-type]
    measurement = Timing(timed=4).run(model, RECORDINGS, Context(Path(), examples=2))
    prompts = measurement.protocol["prompts"]
    assert len(measurement.examples) == 2 * len(FORMS)
    for example in measurement.examples:
        asked = prompts[example.title]
        assert example.prompt == asked["prompt"]
        assert example.verdict == f"asked for at {asked['timeline'][0]['start']:.2f} s"
    results = measurement.results
    assert list(results) == list(FORMS) and measurement.note == "no VAD"
    for form, detectors in zip(FORMS, (["energy", "ears"], ["energy"], ["ears"]), strict=True):
        assert list(results[form]["generated"]) == detectors
        for detector in detectors:
            heard = results[form]["generated"][detector]
            assert heard["in_time"].share == 0.5 and heard["in_time"].clips == 4
            assert heard["median_distance_s"] == pytest.approx(0.25, abs=0.02)
        assert 0.05 < results[form]["chance"] < 0.5
    assert results["event"]["real"] == results["event"]["real_rebuilt"]
    assert results["event"]["real"]["energy"]["in_time"].share == 1.0
    assert len(measurement.protocol["prompts"]) == 12


def test_models_without_times_say_so():
    model = Model(Late(), Late(timeline=False))  # type: ignore[arg-type]
    measurement = Timing().run(model, RECORDINGS, Context(Path()))
    assert measurement.results == {} and not measurement.tables
    assert "was not trained with times" in measurement.note
