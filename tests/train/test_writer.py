"""Rows on disk."""

import json
import math
import re
import time

import pytest

from audiogen_jax.train.writer import MetricsWriter


def test_rows_of_repeated_steps_are_dropped(tmp_path):
    writer = MetricsWriter(tmp_path, step=0)
    for step in (1, 2, 3):
        writer.write(step, {"loss": float(step)})
    writer.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # killed while writing
    writer = MetricsWriter(tmp_path, step=2)
    writer.write(3, {"loss": 30.0})
    writer.close()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 1.0), (2, 2.0), (3, 30.0)]


def test_a_clock_that_is_behind_is_told_and_harms_no_row(tmp_path, monkeypatch, caplog):
    """Training goes on on a host whose clock is a day behind the first one's."""
    first = MetricsWriter(tmp_path, 0)
    for step in (1, 2):
        first.write(step, {"loss": float(step)})
    first.close()
    assert not caplog.messages
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 86400)
    second = MetricsWriter(tmp_path, 1)
    second.write(2, {"loss": 5.0})
    second.close()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 5.0}]
    (message,) = caplog.messages
    assert re.search(r"clock of this host is 86\d{3} s behind", message)


def test_every_row_is_json(tmp_path):
    writer = MetricsWriter(tmp_path, 0)
    writer.write(1, {"loss": math.nan, "norm": math.inf, "rate": 0.5})
    writer.close()

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    row = json.loads(line, parse_constant=refuse)
    assert row == {"step": 1, "loss": None, "norm": None, "rate": 0.5}


@pytest.mark.parametrize(
    "damage", [b"\xff\xfe not text\n", b"{}\n", b'{"step": "x"}\n', b"[1]\n", b'{"step": null}\n']
)
def test_damaged_rows_are_named_and_never_block(tmp_path, caplog, damage: bytes):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + damage + b'{"step": 2}\n{"step": 3}\n')
    before = path.read_bytes()
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "events.out.tfevents.backup").write_bytes(b"\0")
    writer = MetricsWriter(tmp_path, 2)
    writer.write(3, {})
    writer.close()
    assert [json.loads(row)["step"] for row in path.read_bytes().splitlines()] == [1, 2, 3]
    assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == before
    assert f"{path}: lines [2] are no rows of metrics" in caplog.text
