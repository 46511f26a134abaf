"""Trainings that version 0.1 began go on with the losses that it would have given.

The exact batches of a seed are others since; those of 0.1 were written down (batches.json).
"""

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.train import loop
from tests.train.conftest import ROOT, metrics_rows

OLD = ROOT / "tests" / "written_by_0_1"
SAMPLES, FRAMES, TOKENS = 6400, 10, 32
WORKDIRS = [
    "workdir_encoder",
    pytest.param("workdir", marks=pytest.mark.slow),
    pytest.param("workdir_adapters", marks=pytest.mark.slow),
    pytest.param("workdir_tokenizer", marks=pytest.mark.slow),
]


class Recorded:
    """An iterator of the data whose batches are replaced by written ones."""

    def __init__(self, batches, recorded: Iterator[dict[str, np.ndarray]]):
        self._batches, self._recorded = batches, recorded
        self.get_state, self.set_state = batches.get_state, batches.set_state

    def __iter__(self):
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        fields = next(self._batches)
        assert not any(fields.pop("replaced"))  # 0.1 knew of none
        recorded = next(self._recorded)
        for name, values in fields.items():
            assert recorded[name].shape == values.shape and recorded[name].dtype == values.dtype
        return recorded


def contents() -> dict[str, dict[str, np.ndarray]]:
    """Every clip, padded, as audio and as latents."""
    arrays: dict[str, dict[str, np.ndarray]] = {"audio": {}, "latents": {}}
    for path in Path("audio").glob("*.flac"):
        audio = AudioCache(16000, 0).load(path)
        arrays["audio"][path.stem] = np.pad(audio, ((0, SAMPLES - len(audio)), (0, 0)))
    dataset = LatentDataset(Path("latents"))
    for number in range(len(dataset)):
        record = dataset.read(number)
        padding = ((0, FRAMES - len(record.latents)), (0, 0))
        arrays["latents"][record.audio_id] = np.pad(record.latents, padding)
    return arrays


def fields(batch: dict, arrays: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    """A written batch as the pipeline gives it."""
    found = {
        kind: np.stack([arrays[clip_id] for clip_id in batch["clip_ids"]]),
        "lengths": np.array(batch["lengths"], np.int32),
        "drop_condition": np.array(batch["drop_condition"]),
        "id": np.array(batch["clip_ids"]),
    }
    if "texts" in batch:
        lengths = np.array([len(text) for text in batch["texts"]])
        found["token_mask"] = np.arange(TOKENS) < lengths[:, None]
        ids = np.zeros((len(lengths), TOKENS), np.int32)
        ids[found["token_mask"]] = np.concatenate(batch["texts"])
        found["token_ids"] = ids
    return found


@pytest.mark.parametrize("name", WORKDIRS)
def test_goes_on(tmp_path, monkeypatch, name: str):
    """From step 4 of 8; only the average of the parameters is rounded another way."""
    for folder in ("audio", "checkpoint"):
        shutil.copytree(OLD / folder, tmp_path / folder)
    for file in (name, "latents"):
        with tarfile.open(OLD / f"{file}.tar.gz") as tar:
            tar.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)  # its config names files from there
    kind = "latents" if name == "workdir_adapters" else "audio"
    batches, arrays = json.loads((OLD / "batches.json").read_text())[name], contents()[kind]
    written = [fields(batch, arrays, kind) for batch in batches]
    opened = loop.open_batches

    def open_batches(data, split: str, *args, **options):
        recorded = iter(written[:4] if split == "train" else written[4:])
        return Recorded(opened(data, split, *args, **options), recorded)

    monkeypatch.setattr(loop, "open_batches", open_batches)
    before = metrics_rows(Path(name))
    settings = json.loads(Path(name, "config.json").read_text())
    del settings["gradient_dtype"]  # there is none any more
    config = ConfigDict(settings)
    loop.train_model(config, name)
    rows = metrics_rows(Path(name))
    assert rows[:4] == before and [row["step"] for row in rows] == list(range(1, 9))
    expected = json.loads((OLD / "expected.json").read_text())[name]
    for row, old in zip(rows[4:], expected, strict=True):
        assert {name: row[name] for name in old} == pytest.approx(old, rel=1e-4)
    assert Path(name, "inputs.json").is_file()  # recorded now
    assert Path(name, "export", "model.safetensors").is_file()
