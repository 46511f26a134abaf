"""The queue of one."""

import jax.numpy as jnp
import pytest

from audiogen_jax.train.meter import StepMetrics


def test_means_since_the_last_row():
    meter = StepMetrics()
    for step, loss in enumerate((1.0, 2.0, 6.0), 1):
        meter.submit(step, {"loss": jnp.asarray(loss)}, ["a", "b"], 2)
    meter.settle()
    row = meter.drain()
    assert row["loss"] == 3.0
    assert row["speed/clips_per_second"] == pytest.approx(2 * row["speed/steps_per_second"])
    meter.submit(4, {"loss": jnp.asarray(5.0)}, ["a"], 1)
    meter.settle()
    assert meter.drain()["loss"] == 5.0


def test_reads_one_step_late():
    meter = StepMetrics()
    meter.submit(1, {"loss": jnp.asarray(jnp.nan), "skipped": jnp.asarray(1.0)}, ["bad clip"], 1)
    assert meter.skipped_in_a_row == 0  # not read yet
    meter.submit(2, {"loss": jnp.asarray(0.0)}, ["good clip"], 1)
    assert meter.skipped_in_a_row == 1
    assert meter.skipped == ["step 1: {'loss': nan} on clips ['bad clip']"]


def test_skipped_steps_are_counted():
    meter = StepMetrics()
    bad = {"loss": jnp.asarray(jnp.inf)}
    for step, metrics in enumerate(({"loss": 1.0}, bad | {"skipped": 1}, {"loss": 3.0}), 1):
        meter.submit(step, metrics, ["a"], 1)
    meter.settle()
    row = meter.drain()
    assert row["loss"] == 2.0 and row["skipped_steps"] == 1
    assert meter.skipped_in_a_row == 0 and not meter.skipped
    meter.submit(4, bad | {"skipped": 1}, ["b"], 1)
    meter.submit(5, bad | {"skipped": 2}, ["c"], 1)
    meter.settle()
    assert meter.skipped_in_a_row == 2 and len(meter.skipped) == 2


def test_what_several_processes_load_is_replaced_once(monkeypatch):
    """Two processes with the same first clip and another second one; `drain` adds them up."""
    meter = StepMetrics()
    monkeypatch.setattr("audiogen_jax.train.meter.over_processes", lambda value: value + (0.5 + 1))
    meter.warn_of([["bad 1"], ["bad 2", "bad 3"], []], [2, 1, 1])
    meter.warn_of([["bad 4"]])  # a batch of validation
    assert meter.drain()["replaced_clips"] == 0.5 + 2 + (0.5 + 1)
    assert meter.drain()["replaced_clips"] == 1.5
