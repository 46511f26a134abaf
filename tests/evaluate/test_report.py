import json

import pytest

from audiogen_jax.evaluate.metrics.shares import share_of
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.evaluate.report import PROTOCOL_FIELDS, print_report, write_report
from audiogen_jax.evaluate.suite import Table
from audiogen_jax.evaluate.suites.reconstruction import Score

PROTOCOL = dict.fromkeys(PROTOCOL_FIELDS, "x")
RESULTS = {"reconstruction": {"tokenizer": {"speech": {"stoi": Score.of([0.5, None, 0.7])}}}}


def test_writes_scores_with_their_protocol(tmp_path):
    path = tmp_path / "new" / "nano.json"
    write_report(
        path, PROTOCOL | {"seed": 3}, RESULTS | {"infinite": float("inf"), "heard": share_of(1, 2)}
    )
    report = json.loads(path.read_text())
    assert report["protocol"]["seed"] == 3
    score = report["results"]["reconstruction"]["tokenizer"]["speech"]["stoi"]
    assert score == {"mean": pytest.approx(0.6), "std": pytest.approx(0.1), "clips": 2}
    assert report["results"]["infinite"] is None
    assert report["results"]["heard"].keys() == {"share", "low", "high", "clips"}


def test_a_failed_write_leaves_the_old_report(tmp_path):
    path = tmp_path / "nano.json"
    write_report(path, PROTOCOL, RESULTS)
    before = path.read_text()
    with pytest.raises(TypeError):
        write_report(path, PROTOCOL, {"bad": object()})
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["nano.json"]


def test_refuses_numbers_without_protocol(tmp_path):
    with pytest.raises(ValueError, match="checkpoint_sha256"):
        write_report(tmp_path / "a.json", {"seed": 0}, RESULTS)
    with pytest.raises(ValueError, match=".json"):
        write_report(tmp_path / "a.txt", PROTOCOL, RESULTS)
    assert not list(tmp_path.iterdir())


def test_environment_fills_the_protocol():
    facts = environment()
    assert {"versions", "hardware", "git_commit"} <= set(facts)
    assert facts["versions"]["jax"]
    assert json.dumps(facts)


def test_prints_numbers_texts_and_gaps(capsys):
    rows = [["speech", "stoi", 0.6, None, 2], ["music", "stoi", 0.25, 1e-9, 3]]
    print_report([Table("Codecs", ["group", "metric", "a", "b", "clips"], rows)])
    printed = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines()]
    assert "Codecs" in printed
    assert ["speech", "stoi", "0.600", "-", "2"] in cells
    assert ["music", "stoi", "0.250", "0.000", "3"] in cells
