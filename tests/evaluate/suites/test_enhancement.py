"""Noisy speech of held-out speakers."""

import dataclasses

import numpy as np
import pytest

from audiogen_jax.evaluate.recognisers.wheel_weights import NotInstalledError
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Model
from audiogen_jax.evaluate.suites import enhancement
from audiogen_jax.evaluate.suites.enhancement import SNR_DB, Enhancement, noisy_speech
from audiogen_jax.input.scenes import layers
from tests.evaluate.suites.test_editing import RATE, Editor


def recording(name: str, views: dict, seconds: float, held_out="speaker", split="val"):
    rng = np.random.default_rng(len(name))
    envelope = 1.2 + np.sin(2 * np.pi * 3 * np.arange(int(seconds * RATE)) / RATE)
    samples = (0.1 * envelope * rng.normal(size=len(envelope))).astype(np.float32)
    return Recording(name, samples, RATE, split, views, held_out=held_out)


VOICE = {"caption": ("a man",), "speech": ("a man",), "asr": ("good morning",)}
RECORDINGS = [
    recording("anna", VOICE, 2.0),
    recording("berta", VOICE, 7.0),
    recording("short", VOICE, 0.5),
    recording("known", VOICE, 2.0, held_out="take"),
    recording("trained", VOICE, 2.0, split="train"),
    recording("rain", {"env": ("rain",)}, 1.0, held_out="recording"),
]


def test_rows_are_of_held_out_speakers_at_the_levels_asked_for():
    rows = noisy_speech(RECORDINGS, 6, seed=0)
    assert {row.clips for row in rows} == {("anna", "rain"), ("berta", "rain")}
    assert [row.snr for row in rows] == [snr for snr in SNR_DB for _ in range(2)]
    assert {len(row.clean) for row in rows} == {2 * RATE, 5 * RATE}
    for row in rows:
        ratio = layers.active_power(row.clean[:, None], RATE)
        ratio /= layers.active_power(row.noise[:, None], RATE)
        assert 10 * np.log10(ratio) == pytest.approx(row.snr, abs=0.01)
    assert noisy_speech(RECORDINGS[:-1], 6, seed=0) == []
    again = noisy_speech(RECORDINGS, 6, seed=0)
    np.testing.assert_array_equal(rows[3].mixture, again[3].mixture)


def test_scores(tmp_path, monkeypatch):
    rows = noisy_speech(RECORDINGS, 2, seed=0)

    class Cleaner(Editor):
        def edit(self, kind, sound, *, what, seed, options, id):
            assert (kind, what) == ("extract", "speech")
            row = next(row for row in rows if row.id == id)
            np.testing.assert_array_equal(sound.samples[:, 0], row.mixture)
            return dataclasses.make_dataclass("Clip", ["audio"])(0.5 * row.clean)

    def missing():
        raise NotInstalledError("no speechmos")

    monkeypatch.setattr(enhancement, "pesq_wb", lambda a, b, sample_rate: None)
    monkeypatch.setattr(enhancement, "SpeechRatings", missing)
    cleaner = Cleaner(False, {})
    measured = Enhancement(noisy=2).run(
        Model(cleaner, cleaner), RECORDINGS, Context(tmp_path, examples=1)
    )
    assert [*measured.examples[0].clips] == ["noisy", "extracted", "clean"]
    assert measured.examples[0].verdict == "voice 0 dB above the noise"
    results = measured.results
    assert results["extracted"]["pesq_wb"] is None
    assert results["extracted"]["si_sdr_db"].mean == 100
    noisy, ceiling = (
        results[name]["si_sdr_db"].mean for name in ("noisy", "masks of the true stems")
    )
    assert noisy < ceiling
    assert results["noisy"]["stoi"].mean < results["extracted"]["stoi"].mean
    assert len(measured.tables[0].rows) == 5
    assert measured.note == "enhancement: DNSMOS: no speechmos"


def test_a_model_that_edits_nothing(tmp_path):
    editor = Editor(True, {}, edits=False)
    measured = Enhancement().run(Model(editor, editor), RECORDINGS, Context(tmp_path))
    assert measured.results == {} and "edits nothing" in measured.note
