"""A report is made again from what it says; rows, formats and bits of the files decide nothing."""

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.cli import main
from audiogen_jax.evaluate import determinism
from audiogen_jax.evaluate.comparison import (
    Check,
    Difference,
    added,
    checked,
    differing_inputs,
    other_data,
)
from audiogen_jax.evaluate.determinism import DETERMINISTIC_OPS, make_deterministic, numerics
from audiogen_jax.evaluate.examples import examples_of
from audiogen_jax.evaluate.reproduce import Reproduction, find_report, reproduce
from audiogen_jax.evaluate.run import evaluate_checkpoint
from audiogen_jax.evaluate.suites.reconstruction import Reconstruction
from audiogen_jax.files.jsonl import read_rows, write_rows
from audiogen_jax.infer.options import SamplingOptions

SUITES = [Reconstruction(per_group=3)]
OPTIONS = SamplingOptions(steps=3, view_guidance={"sfx": 2.0}, guidance_interval=(0.1, 1.0))


@pytest.fixture(scope="module")
def made(tiny_checkpoint, manifest, tmp_path_factory) -> Path:
    """A report of the codec."""
    path = tmp_path_factory.mktemp("made") / "report.json"
    evaluate_checkpoint(
        tiny_checkpoint / "tokenizer", manifest, path, cache=path.parent, suites=SUITES, seed=4,
        options=OPTIONS, html=path.with_suffix(".html"), examples=2,
    )  # fmt: skip
    return path


def test_the_report_says_how_it_was_made(made, tiny_checkpoint, manifest):
    run = json.loads(made.read_text())["protocol"]["run"]
    assert run == {
        "checkpoint": str(tiny_checkpoint / "tokenizer"),
        "manifest": str(manifest),
        "seed": 4,
        "sampling": json.loads(json.dumps(dataclasses.asdict(OPTIONS))),
        "suites": {"reconstruction": {"per_group": 3}},
    }
    page = made.with_suffix(".html").read_text()
    assert page.count("<audio") == 2 * 3  # two clips, each by two systems beside the original


def test_the_same_numbers_again(made):
    done = reproduce(made)
    assert done.inputs == [] and done.matches
    assert {check.outcome for check in done.checks} == {"equal"}
    # Two systems, four metrics of speech, each with mean, deviation and count.
    assert len(done.checks) == 2 * 4 * 3


def test_by_command(made, manifest, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    report = json.loads(made.read_text())
    stoi = report["results"]["reconstruction"]["tokenizer"]["speech"]["stoi"]
    stoi["mean"] += 3 * stoi["std"]
    report["results"]["reconstruction"]["tokenizer"]["speech"]["cepstral"] = 1.5
    report["protocol"]["versions"]["jax"] = "0.9"
    report["protocol"]["run"]["manifest"] = "elsewhere.jsonl"
    Path("results").mkdir()
    Path("results/changed.json").write_text(json.dumps(report))
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", "changed", "--manifest", str(manifest), "-o", "again.json"])
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    assert "25 numbers: 23 equal, 0 within their interval or 0.01, 1 differ, 1 missing" in printed
    lines = [line for line in printed.splitlines() if line.startswith("differs: ")]
    assert lines[0].startswith("differs: run.manifest: elsewhere.jsonl -> ")
    assert lines[1].startswith("differs: versions.jax: 0.9 -> ") and len(lines) == 2
    assert json.loads(Path("again.json").read_text())["results"].keys() == {"reconstruction"}


def test_order_and_format_of_recordings_change_no_bit(made, tiny_checkpoint, manifest, tmp_path):
    rows = []
    for number, row in enumerate(reversed(read_rows(manifest))):
        samples, rate = soundfile.read(manifest.parent / row["path"], dtype="int32")
        kinds = (("flac", "PCM_16"), ("flac", "PCM_24"), ("wav", "PCM_24"), ("wav", "FLOAT"))
        suffix, subtype = kinds[number % len(kinds)]
        name = f"{number}.{suffix}"
        values = samples / np.float32(2**31) if subtype == "FLOAT" else samples
        soundfile.write(tmp_path / name, values, rate, subtype)
        rows.append(dict(row) | {"path": name})
    write_rows(tmp_path / "turned.jsonl", rows)
    before, now = json.loads(made.read_text()), tmp_path / "now.json"
    evaluate_checkpoint(
        tiny_checkpoint / "tokenizer", tmp_path / "turned.jsonl", now, cache=tmp_path,
        suites=SUITES, seed=4, options=OPTIONS,
    )  # fmt: skip
    after = json.loads(now.read_text())
    assert after["results"] == before["results"]
    assert after["protocol"]["reconstruction"] == before["protocol"]["reconstruction"]
    changed = [each.name for each in differing_inputs(before["protocol"], after["protocol"])]
    assert changed == ["manifest_sha256", "run.manifest", "manifest"]


def refuse(report: dict, path: Path, message: str) -> None:
    path.write_text(json.dumps(report))
    with pytest.raises(ValueError, match=message):
        reproduce(path)


def test_refused_with_a_reason(made, tmp_path):
    report = json.loads(made.read_text())
    run = report["protocol"]["run"]
    path = tmp_path / "old.json"
    for change, message in (
        ({"suites": {"speed": {}}}, "'speed'.*no suites of this version"),
        ({"suites": {"reconstruction": {"per_grape": 1}}}, "per_grape.*did you mean"),
        ({"sampling": {"solver": "newton"}}, "solver"),
    ):
        changed = copy.deepcopy(report)
        changed["protocol"]["run"] = run | change
        refuse(changed, path, message)
    del report["protocol"]["run"]["seed"]
    refuse(report, path, r"lacks \['seed'\]")
    del report["protocol"]["run"]
    refuse(report, path, "do not say how they were made")
    refuse({"rows": []}, path, "holds no numbers")
    refuse(report | {"results": {}}, path, "holds no numbers")
    with pytest.raises(FileNotFoundError, match="absent"):
        find_report("absent")


BEFORE = {
    "share": {"share": 0.5, "low": 0.4, "high": 0.6, "clips": 10},
    "score": {"mean": 2.0, "std": 1.0, "clips": 16},
    "accuracy": {"generated": 0.9, "generated_interval": [0.8, 0.95], "chance": 0.1},
    "pairs": [{"name": "a", "distance": 0.25}],
    "none": None,
}


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"share.share": 0.59}, "within"),
        ({"share.share": 0.61}, "differs"),
        ({"share.low": 0.0}, None),  # moves with the value that it is of
        ({"share.clips": 11}, "differs"),
        ({"score.mean": 2.48}, "within"),  # 1.96 / 4
        ({"score.mean": 2.5}, "differs"),
        ({"score.std": 1.009}, "within"),  # the interval is of the mean alone
        ({"score.std": 1.011}, "differs"),
        ({"accuracy.generated": 0.81}, "within"),
        ({"accuracy.generated": 0.79}, "differs"),
        ({"accuracy.chance": 0.1009}, "within"),
        ({"accuracy.chance": 0.1011}, "differs"),
        ({"accuracy.chance": None}, "differs"),
        ({"pairs": []}, "missing"),
        ({"none": 1.0}, "differs"),
    ],
)
def test_what_matches(change, outcome):
    now = copy.deepcopy(BEFORE)
    for name, value in change.items():
        *keys, last = name.split(".")
        values: dict = now
        for key in keys:
            values = values[key]
        values[last] = value
    checks = checked(BEFORE, now)
    assert len(checks) == 9
    unequal = [check.outcome for check in checks if check.outcome != "equal"]
    assert unequal == ([outcome] if outcome else [])


def test_reports_that_were_edited():
    """An interval that was widened excuses nothing; numbers that were taken out are named."""
    wide = copy.deepcopy(BEFORE)
    wide["share"] |= {"share": 0.9, "low": 0.0, "high": 1.0}
    (check,) = (each for each in checked(wide, BEFORE) if each.name == "share.share")
    assert check.outcome == "differs"
    shorter = {name: BEFORE[name] for name in ("share", "none")}
    assert added(shorter, BEFORE) == [
        "score.mean", "score.std", "score.clips", "accuracy.generated", "accuracy.chance",
        "pairs[0].distance",
    ]  # fmt: skip
    assert added(BEFORE, BEFORE) == []


def test_intervals_do_not_excuse_other_data():
    within = [Check("a", 1.0, 1.1, 0.9, 1.2, "within")]
    equal = [Check("a", 1.0, 1.0, 0.9, 1.2, "equal")]
    same = [Difference("manifest_sha256", "a", "b"), Difference("seed", 1, 2)]
    other = [*same, Difference("audio.sounds_sha256", "a", "b")]
    matches = [
        Reproduction(inputs, checks, []).matches
        for inputs in (same, other)
        for checks in (within, equal)
    ]
    assert matches == [True, True, False, True]
    assert other_data([Difference("recordings_sha256", None, "b")]) == []  # of an older report


def test_inputs_that_explain_others_come_first():
    before = {"reconstruction": {"clips": ["a", "b"]}, "git_commit": "1", "checkpoint_sha256": "x"}
    now = {"git_commit": "2", "reconstruction": {"clips": ["a"]}, "checkpoint_sha256": "y"}
    assert differing_inputs(before, now) == [
        Difference("checkpoint_sha256", "x", "y"),
        Difference("git_commit", "1", "2"),
        Difference("reconstruction.clips[1]", "b", None),
    ]


def test_examples_are_spread_over_the_rows():
    said = []
    sources = {"generated": [np.full(3, row) for row in range(9)]}
    titles = [str(row) for row in range(9)]
    chosen = examples_of(3, titles, sources, 8, verdict=lambda row: said.append(row) or "heard")
    assert [example.title for example in chosen] == ["0", "4", "8"] and said == [0, 4, 8]
    assert chosen[1].clips["generated"].tolist() == [4, 4, 4] and chosen[1].prompt == ""
    assert examples_of(0, titles, sources, 8) == [] == examples_of(3, [], {"generated": []}, 8)
    assert len(examples_of(20, titles, sources, 8)) == 9


def test_deterministic_before_jax_computes(monkeypatch):
    precisions = []
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    with pytest.raises(ValueError, match="JAX has computed already"):
        make_deterministic()
    monkeypatch.setattr(determinism.jax.config, "update", lambda *each: precisions.append(each))
    make_deterministic()  # in a process in which nothing is refused
    assert precisions[-1] == ("jax_default_matmul_precision", "highest")
    assert numerics() == {
        "deterministic_ops": True,
        "matmul_precision": "highest",  # of all tests
        "xla_flags": f"--xla_cpu_enable_fast_math=false {DETERMINISTIC_OPS}",
    }
