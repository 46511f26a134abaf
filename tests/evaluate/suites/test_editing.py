"""Edits are scored against true stems: a perfect one wins, doing nothing gains nothing."""

import dataclasses

import numpy as np
import pytest

from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.metrics.log_spectral import log_spectral_distance
from audiogen_jax.evaluate.metrics.means import mean_of
from audiogen_jax.evaluate.metrics.si_sdr import si_sdr
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Model
from audiogen_jax.evaluate.suites import editing
from audiogen_jax.evaluate.suites.edit_pairs import (
    FORMS,
    edit_pairs,
    shared_out,
    spectral_subtraction,
)
from audiogen_jax.evaluate.suites.editing import (
    EDITED,
    NOTHING_DONE,
    Editing,
    floored_si_sdr,
)
from audiogen_jax.infer.options import SamplingOptions

RATE = 16000


def recording(name: str, hertz: float, seconds: float, views: dict, split="val") -> Recording:
    time = np.arange(int(seconds * RATE)) / RATE
    rng = np.random.default_rng(len(name))
    samples = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.001 * rng.normal(size=len(time))
    label = name.split("-")[0]
    views = {"caption": (name,), **{view: (text,) for view, text in views.items()}}
    speaker = "anna" if "asr" in views else None
    samples = samples.astype(np.float32)
    return Recording(name, samples, RATE, split, views, label, speaker=speaker)


RECORDINGS = [
    recording("one", 3000, 0.5, {"speech": "a woman", "asr": "one"}),
    recording("two", 3300, 0.5, {"speech": "a woman", "asr": "two"}),
    recording("dog", 1200, 1.0, {"sfx": "a dog barking"}),
    recording("rooster", 1800, 1.0, {"sfx": "a rooster"}),
    recording("sneezing", 2400, 1.0, {"sfx": "somebody sneezing"}),
    *(recording(f"bell{i}", 4000 + 400 * i, 1.0, {"sfx": f"bell {i}"}) for i in range(6)),
    recording("rain", 300, 6.0, {"env": "rain"}),
    recording("sea_waves", 200, 6.0, {"env": "waves"}),
    recording("piano", 500, 6.0, {"music": "piano, fast"}),
    recording("never-heard", 700, 6.0, {"sfx": "a tone to train on"}, split="train"),
]


@pytest.fixture(scope="module")
def pairs():
    return {form: edit_pairs(form, RECORDINGS, 4, seed=0) for form in FORMS}


def test_pairs_are_of_held_out_clips_and_the_same_again(pairs):
    for form, rows in pairs.items():
        again = edit_pairs(form, RECORDINGS, 4, seed=0)
        assert [row.id for row in rows] == [
            f"editing/{form.replace(' ', '_')}/{i}" for i in range(4)
        ]
        for row, other in zip(rows, again, strict=True):
            np.testing.assert_array_equal(row.source, other.source)
            names = {clip.audio_id for clips in row.pair.clips.values() for clip in clips}
            assert "never-heard" not in names
            whole = row.goal if form == "add" else row.source
            np.testing.assert_allclose(row.named + row.rest, whole, atol=1e-6)
            assert (row.label is None) == (form == "not there") == (not row.named.any())
    assert edit_pairs("remove", RECORDINGS[:2], 4, seed=0) == []


def test_masks_of_true_stems_beat_what_knows_no_names(pairs):
    for row in pairs["extract"]:
        ceiling = shared_out(row, [row.named, row.rest], RATE)
        blind = spectral_subtraction(row)
        gains = [si_sdr(row.goal, each) for each in (ceiling, blind, row.source)]
        assert gains[0] > max(gains[1:]) + 5


@dataclasses.dataclass
class Editor:
    """Gives the goal, or with `lazy` the source; its codec changes nothing."""

    lazy: bool
    clips: dict
    sample_rate: int = RATE
    channels: int = 1
    samples_per_latent: int = 1
    edits: bool = True

    def editing_options(self, kind):
        return SamplingOptions()

    @property
    def codec(self):
        return self

    layers = ("semantic",)

    def edit(self, kind, sound, *, what, between, seed, options, id):
        row = self.clips[id]
        assert between == (row.pair.span if kind == "add" else None)
        assert (kind, what) == (row.pair.kind, row.pair.what)
        audio = sound.samples[:, 0] if self.lazy else row.goal
        return dataclasses.make_dataclass("Clip", ["audio"])(audio)


class Deaf:
    """Hears the first class in everything."""

    def __init__(self, *args, **kwargs):
        pass

    def classes(self, part):
        return {
            "digits": ("one", "two"),
            "sounds": ("dog", "rooster", "sneezing", *(f"bell{i}" for i in range(6))),
        }.get(part, ())

    def answers(self, part, clips, rate):
        return {part: [self.classes(part)[0]] * len(clips)}


class Level:
    """Hears how loud a clip is, and how steady."""

    def __init__(self, codec, layer):
        self.identity = Identity("level", "", 16000, "", layer, "")

    def embed(self, clips, rate):
        values = [[np.std(clip), np.std(np.square(clip))] for clip in clips]
        return Embeddings(np.array(values), self.identity)


@pytest.mark.parametrize("lazy", [False, True])
def test_scores(lazy, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(editing, "cached_judge", lambda *_: None)
    monkeypatch.setattr(editing, "Listeners", Deaf)
    monkeypatch.setattr(editing, "CodecEmbedder", Level)
    monkeypatch.setattr(editing, "rebuild", lambda codec, clip: clip)
    editor = Editor(lazy, {row.id: row for rows in pairs.values() for row in rows})
    measured = Editing(edits=4).run(
        Model(editor, editor), RECORDINGS, Context(tmp_path, examples=1)
    )
    assert [each.title for each in measured.examples] == [pairs[form][0].id for form in FORMS]
    assert all([*each.clips] == ["source", "edited", "goal"] for each in measured.examples)
    assert measured.examples[0].prompt.startswith("remove: ")
    for form in ("remove", "extract"):
        scores = measured.results[form]
        assert scores[NOTHING_DONE]["si_sdr_gain_db"].mean == 0
        if lazy:
            assert scores[EDITED] == scores[NOTHING_DONE]
        else:
            assert scores[EDITED]["lsd_db"].mean == 0
            assert scores[EDITED]["frechet"] == pytest.approx(0, abs=1e-9)
            assert scores[NOTHING_DONE]["frechet"] > 1e-6
    assert (measured.results["not there"][EDITED]["unchanged"].share) == 1.0
    added = measured.results["add"][EDITED]
    assert added["outside_db"].mean == 100.0
    assert sum(share.clips for share in added["heard"].values()) == 4
    assert added["heard_alone"].keys() == added["heard"].keys()
    assert [table.title for table in measured.tables] == [f"Edits: {form}" for form in FORMS]


def test_a_sound_is_listened_for_where_it_stands(pairs):
    for row in pairs["add"]:
        assert row.pair.span is not None
        part = editing._within(row, row.named, RATE)
        assert len(part) == pytest.approx((row.pair.span[1] - row.pair.span[0]) * RATE, abs=1)
        assert np.square(part).sum() == pytest.approx(np.square(row.named).sum())


def test_silence_is_the_worst_extraction():
    tone = np.sin(np.arange(1000.0))
    assert floored_si_sdr(tone, 0 * tone) == -30
    assert floored_si_sdr(tone, tone) == 100


def test_a_model_that_edits_nothing(tmp_path):
    editor = Editor(True, {}, edits=False)
    measured = Editing().run(Model(editor, editor), RECORDINGS, Context(tmp_path))
    assert measured.results == {} and "edits nothing" in measured.note


def test_means_have_intervals():
    mean = mean_of([1.0, 2.0, 3.0, np.inf, np.nan])
    assert mean is not None and (mean.mean, mean.clips) == (2.0, 3)
    assert 1.0 <= mean.low <= mean.mean <= mean.high <= 3.0
    assert mean_of([np.nan]) is None


def test_log_spectral_distance():
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    assert log_spectral_distance(noise, noise) == 0
    assert log_spectral_distance(noise, 10 * noise) == pytest.approx(20, abs=1e-3)
    assert log_spectral_distance(np.zeros(100), np.zeros(100)) == 0
    with pytest.raises(ValueError, match="expected"):
        log_spectral_distance(noise, noise[:-1])
    with pytest.raises(ValueError, match="NaN"):
        log_spectral_distance(noise, noise * np.nan)
