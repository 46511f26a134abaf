"""What a training leaves in its workdir, whatever it meets: one at a time, whole, named."""

import json
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.files.lock import locked
from audiogen_jax.train import loop
from audiogen_jax.train.loop import DivergedError, train_model
from tests.train.conftest import metrics_rows


def test_two_trainings_in_one_workdir(smoke, tmp_path):
    with (
        locked(tmp_path / ".lock", "busy"),
        pytest.raises(OSError, match=r"another training is running there, choose another workdir"),
    ):
        train_model(smoke("encoder"), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name != ".lock"]


def test_a_refused_training_leaves_no_folder(smoke, tmp_path):
    refused = smoke("encoder", "data.batch_sizes=(7,)")
    mine = tmp_path / "mine"
    mine.mkdir()
    for workdir in (tmp_path / "runs" / "new", mine):
        with pytest.raises(ValueError, match="does not split over 8 devices"):
            train_model(refused, workdir)
    assert list(tmp_path.iterdir()) == [mine] and not list(mine.iterdir())
    (mine / "notes").touch()
    with pytest.raises(ValueError, match="does not split over 8 devices"):
        train_model(refused, mine / "new")
    assert [path.name for path in mine.iterdir()] == ["notes"]


def test_other_settings_are_refused_before_anything_is_read(trained, smoke):
    workdir, _ = trained("encoder")
    before = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=r"begun with other settings: seed: 0 -> 1\. Go on"):
        train_model(smoke("encoder", "seed=1"), workdir)
    assert {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()} == before


def test_one_bad_clip_is_replaced_and_counted(smoke, one_bad_clip, tmp_path, caplog):
    overrides = (f"data.manifests=(({str(one_bad_clip)!r}, 1.0),)", "eval.batches=0")
    train_model(smoke("encoder", *overrides), tmp_path / "whole")
    rows = metrics_rows(tmp_path / "whole")
    assert [row["replaced_clips"] for row in rows] == [1, 1]  # each batch holds all eight clips
    warnings = [m for m in caplog.messages if m.startswith("another clip takes its place: ")]
    assert len(warnings) == 1 and "bad.flac is not audio" in warnings[0]


def test_the_learning_rate_is_in_the_metrics(trained):
    workdir, _ = trained("encoder")
    rates = [row["learning_rate"] for row in metrics_rows(workdir)]
    peak = json.loads((workdir / "config.json").read_text())["optimizer"]["learning_rate"]
    assert rates == [pytest.approx(peak), pytest.approx(0.55 * peak)]  # half-way of the cosine


class Exporting:
    """An objective, as far as an export needs it."""

    def exported(self, state):
        return state.params

    def export(self, params, folder: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("half")
        raise OSError("no space left")


@pytest.mark.parametrize("cause", ["full disk", "not finite"])
def test_an_export_that_fails_leaves_the_one_before(trained, cause: str):
    workdir, state = trained("encoder")
    before = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
    if cause == "full disk":
        with pytest.raises(OSError, match="no space left"):
            loop._export(Exporting(), state, workdir)
    else:
        kernel = state.params["predict"]["kernel"].at[3, 4].set(np.nan)
        params = {**state.params, "predict": {**state.params["predict"], "kernel": kernel}}
        message = r"after step 2 1 of \d+ arrays hold NaN or infinite values: \['predict/kernel'\]"
        with pytest.raises(DivergedError, match=message):
            loop._export(Exporting(), state.replace(params=params), workdir)
    assert {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()} == before
