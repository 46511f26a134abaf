"""Trainings that version 0.1 began go on with the losses that it would have given."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from audiogen_jax.train.loop import train_model
from tests.train.conftest import ROOT, metrics_rows

OLD = ROOT / "tests" / "written_by_0_1"
WORKDIRS = [
    "workdir_encoder",
    pytest.param("workdir", marks=pytest.mark.slow),
    pytest.param("workdir_adapters", marks=pytest.mark.slow),
    pytest.param("workdir_tokenizer", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name", WORKDIRS)
def test_goes_on(tmp_path, monkeypatch, name: str):
    """From step 4 of 8; only the average of the parameters is rounded another way."""
    for folder in ("audio", "checkpoint"):
        shutil.copytree(OLD / folder, tmp_path / folder)
    for file in (name, "latents"):
        with tarfile.open(OLD / f"{file}.tar.gz") as tar:
            tar.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)  # its config names files from there
    before = metrics_rows(Path(name))
    train_model(ConfigDict(json.loads(Path(name, "config.json").read_text())), name)
    rows = metrics_rows(Path(name))
    assert rows[:4] == before and [row["step"] for row in rows] == list(range(1, 9))
    expected = json.loads((OLD / "expected.json").read_text())[name]
    for row, old in zip(rows[4:], expected, strict=True):
        assert row == pytest.approx(old, rel=1e-4)
    assert Path(name, "export", "model.safetensors").is_file()
