"""Batches that hold NaN: their steps do not count, and too many of them end the training."""

import numpy as np
import pytest

from audiogen_jax.train import loop
from audiogen_jax.train.loop import DivergedError, train_model
from tests.train.conftest import metrics_rows

QUICK = ("steps=5", "eval.batches=0", "statistics_batches=1", "mesh.data=1")


class Poisoned:
    """An iterator some of whose batches hold a NaN."""

    def __init__(self, batches, bad):
        self.batches, self.bad, self.count = batches, bad, 0

    def __iter__(self):
        return self

    def __next__(self):
        batch = next(self.batches)
        self.count += 1
        if self.count in self.bad:
            batch = batch | {"audio": np.full_like(batch["audio"], np.nan)}
        return batch

    def get_state(self):
        return self.batches.get_state()


@pytest.mark.parametrize("stage", ["encoder", pytest.param("tokenizer", marks=pytest.mark.slow)])
def test_some_bad_batches(smoke, tmp_path, monkeypatch, stage: str):
    opened = loop.open_batches
    monkeypatch.setattr(loop, "open_batches", lambda *a, **k: Poisoned(opened(*a, **k), (2, 3, 5)))
    options = (*QUICK, "optimizer.warmup_steps=0", "guard.limit=2")
    state = train_model(smoke(stage, *options), tmp_path)
    rows = metrics_rows(tmp_path)
    assert [row["skipped_steps"] for row in rows] == [0, 1, 1, 0, 1]
    assert ["loss" in row for row in rows] == [True, False, False, True, False]
    assert int(state.guard.accepted) == 2 and int(state.step) == 5


def test_too_many_bad_batches(smoke, tmp_path, monkeypatch):
    opened = loop.open_batches
    monkeypatch.setattr(loop, "open_batches", lambda *a, **k: Poisoned(opened(*a, **k), (2, 3, 4)))
    options = (*QUICK, "checkpoint_every=1", "guard.limit=1")
    message = r"2 steps in a row .*step 2: .*loss.* on clips \['.*'\]; .*step 3: .*on clips"
    with pytest.raises(DivergedError, match=message):
        train_model(smoke("encoder", *options), tmp_path)
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} >= {"1"}
