"""Rows on disk and the queue of one."""

import json
import re
import time

import jax.numpy as jnp
import pytest

from audiogen_jax.train.metrics import DivergedError, MetricsWriter, StepMetrics


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


def test_means_since_the_last_row():
    meter = StepMetrics(0)
    for step, loss in enumerate((1.0, 2.0, 6.0), 1):
        meter.submit(step, {"loss": jnp.asarray(loss)}, ["a", "b"])
    meter.settle()
    row = meter.drain()
    assert row["loss"] == 3.0
    assert row["speed/clips_per_second"] == pytest.approx(2 * row["speed/steps_per_second"])
    meter.submit(4, {"loss": jnp.asarray(5.0)}, ["a"])
    meter.settle()
    assert meter.drain()["loss"] == 5.0


def test_reads_one_step_late():
    meter = StepMetrics(0)
    meter.submit(1, {"loss": jnp.asarray(jnp.nan), "skipped": 1}, ["bad clip"])  # not read yet
    with pytest.raises(DivergedError, match="step 1: .*nan.*bad clip"):
        meter.submit(2, {"loss": jnp.asarray(0.0)}, ["good clip"])


def test_skipped_steps_are_counted_until_the_limit():
    meter = StepMetrics(1)
    bad = {"loss": jnp.asarray(jnp.inf)}
    for step, metrics in enumerate(({"loss": 1.0}, bad | {"skipped": 1}, {"loss": 3.0}), 1):
        meter.submit(step, metrics, ["a"])
    meter.settle()
    row = meter.drain()
    assert row["loss"] == 2.0 and row["skipped_steps"] == 1
    meter.submit(4, bad | {"skipped": 1}, ["b"])
    meter.submit(5, bad | {"skipped": 2}, ["c"])
    with pytest.raises(DivergedError, match="2 steps in a row .*step 4.*'b'.*step 5.*'c'"):
        meter.settle()
