"""A report from the checkpoint to the file: loaded once, any suite, its rows and its protocol."""

import dataclasses
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.recognisers.wheel_weights import NotInstalledError
from audiogen_jax.evaluate.registry import SUITES, possible, select
from audiogen_jax.evaluate.run import evaluate_checkpoint
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table
from audiogen_jax.evaluate.suites import other_judges
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from tests.evaluate.melodies import RATE, SHORT


@dataclasses.dataclass(frozen=True)
class Loudness:
    """How loud a generated clip is beside the real ones: a suite that the package does not know."""

    prompt: str = "a tone"
    name: ClassVar[str] = "loudness"
    needs_generator: ClassVar[bool] = True

    def run(self, model, recordings, context):
        (clip,) = model.generate(
            [StructuredCaption(self.prompt)], ["tone"], context, self.name, duration=0.5
        )
        real = float(np.mean([np.abs(recording.samples).max() for recording in recordings]))
        results = {"generated": float(np.abs(clip).max()), "real": real, "samples": len(clip)}
        rows = [["peak", results["generated"], results["real"]]]
        return Measurement(
            {"prompt": self.prompt, **model.sampling_protocol(context)},
            results,
            [Table("Loudness", ["measure", "generated", "real"], rows)],
        )


@pytest.fixture
def loads(monkeypatch) -> list[str]:
    """Every load of a model, as it happens."""
    names: list[str] = []
    for kind in (Codec, Pipeline):
        load = kind.load.__func__

        def counted(cls, *args, _load=load, **kwargs):
            names.append(cls.__name__)
            return _load(cls, *args, **kwargs)

        monkeypatch.setattr(kind, "load", classmethod(counted))
    return names


def absent():
    raise NotInstalledError("pip install it")


def test_all_suites_from_one_load(tiny_checkpoint, manifest, loads, tmp_path, capsys, monkeypatch):
    for slow in ("SpeechRatings", "VoiceEmbedder"):
        monkeypatch.setattr(other_judges, slow, absent)
    suites = [
        dataclasses.replace(suite, judge=SHORT) if hasattr(suite, "judge") else suite
        for suite in select(per_group=2, per_class=1, pairs=1)
    ]
    results = evaluate_checkpoint(
        tiny_checkpoint, manifest, tmp_path / "a.json", cache=tmp_path / "judge", suites=suites,
        seed=1, options=SamplingOptions(steps=1), html=tmp_path / "a.html", examples=1,
    )  # fmt: skip
    assert loads == ["Pipeline"]
    report = json.loads((tmp_path / "a.json").read_text())
    assert list(report["protocol"])[-len(SUITES) :] == list(SUITES)
    assert report["protocol"]["seed"] == 1
    page = (tmp_path / "a.html").read_text()
    assert page.count("<audio") == 3 + 2  # of the codec, and a digit beside a real one
    assert "asked for: zero; the judge hears: " in page
    assert report["protocol"]["reconstruction"]["latent_values_per_second"] == 25 * 16
    assert len(report["protocol"]["reconstruction"]["clips"]) == 2
    generation = report["protocol"]["generation"]
    assert list(generation)[:4] == ["steps", "guidance", "solver", "schedule"]
    assert generation["judge"] == json.loads(json.dumps(dataclasses.asdict(SHORT)))
    assert list(generation["tasks"]["digits"]["prompts"]) == [
        "digits/zero/0", "digits/one/0", "digits/two/0",
    ]  # fmt: skip
    assert report["results"].keys() == {"reconstruction", "generation"} == results.keys()
    assert report["protocol"]["understanding"]["tasks"] == []  # the melodies are of no data set
    assert report["protocol"]["mixtures"]["prompts"] == {}  # no sounds to mix in
    assert report["protocol"]["scene"]["prompt"].startswith("<|caption|> A man saying")
    assert report["results"]["generation"]["digits"]["accuracy"]["generated_clips"] == 3
    scores = report["results"]["reconstruction"]["tokenizer"]["speech"]
    assert scores.keys() == {"mel_distance", "si_sdr_db", "stoi", "pesq_wb"}
    assert scores["mel_distance"]["clips"] == 2 and scores["mel_distance"]["mean"] > 0
    printed = capsys.readouterr().out
    assert "Reconstruction, held-out" in printed and "near-copies" in printed
    assert "timing: nothing measured, this model was not trained with times" in printed
    for part in ("editing", "enhancement"):
        assert f"{part}: nothing measured, this model edits nothing by instruction" in printed
    others = report["results"]["generation"]["digits"]["other_judges"]
    assert others["PocketSphinx"]["real_held_out"]["clips"] == 12
    assert "By other judges" in printed and "generation: without DNSMOS: pip install it" in printed


def test_a_codec_alone_does_what_needs_no_generator(tiny_checkpoint, manifest, loads, tmp_path):
    out, cache = tmp_path / "a.json", tmp_path / "judge"
    evaluate_checkpoint(tiny_checkpoint / "tokenizer", manifest, out, cache=cache)
    assert loads == ["Codec"]
    assert not cache.exists()
    assert json.loads(out.read_text())["results"].keys() == {"reconstruction"}
    assert possible(tiny_checkpoint) == list(SUITES)
    # Asked for by name, a generator is missed.
    with pytest.raises(ValueError, match="expected one of"):
        evaluate_checkpoint(
            tiny_checkpoint / "tokenizer", manifest, out, cache=cache, suites=[Loudness()]
        )


def test_a_suite_of_another_package(tiny_checkpoint, manifest, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SUITES, "loudness", Loudness())
    suites = select(["loudness"], prompt="a tone rises")
    options = SamplingOptions(steps=2, solver="heun", guidance_interval=(0.2, 1.0))
    out = tmp_path / "a.json"
    evaluate_checkpoint(
        tiny_checkpoint, manifest, out, cache=tmp_path, suites=suites, options=options
    )
    report = json.loads(out.read_text())
    assert report["protocol"]["loudness"] == {
        "prompt": "a tone rises",
        "steps": 2,
        "guidance": 5.0,
        "solver": "heun",
        "schedule": "sway",
        "guidance_interval": [0.2, 1.0],
    }
    result = report["results"]["loudness"]
    assert result["samples"] == RATE // 2 and result["generated"] > 0
    assert result["real"] == pytest.approx(0.3, abs=0.02)
    printed = capsys.readouterr().out
    assert "Loudness" in printed and f"{result['generated']:.3f}" in printed


def test_the_protocol_names_what_differs_from_the_defaults():
    four = {"steps": 25, "guidance": 5.0, "solver": "euler", "schedule": "sway"}
    model = Model(None)
    assert model.sampling_protocol(Context(Path())) == four
    changed = Context(Path(), options=SamplingOptions(compat="release", steps=3))
    assert model.sampling_protocol(changed) == four | {"steps": 3, "compat": "release"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suites": []}, "no suites"),
        ({"manifest": "absent.jsonl"}, "absent.jsonl"),
        ({"out": "a.json/b.json"}, "a.json"),
        ({"html": "page.json"}, "written as .html"),
        ({"html": "page.html", "examples": -1}, "examples=-1"),
    ],
)
def test_refused_before_a_model_is_loaded(
    tiny_checkpoint, manifest, loads, tmp_path, monkeypatch, change, message
):
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text("before")
    arguments = {"manifest": manifest, "out": "c.json", "cache": "judge"} | change
    with pytest.raises((ValueError, OSError), match=message):
        evaluate_checkpoint(tiny_checkpoint, **arguments)
    assert loads == []
    assert [path.name for path in Path().iterdir()] == ["a.json"]
