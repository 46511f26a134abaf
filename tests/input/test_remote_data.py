"""Manifests, tar files, datasets of latents and checkpoints in an object store."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.checkpoints.locate import NANO, find_checkpoint
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.input.latent_records import LatentRecord
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.input.webdataset import read_clips
from audiogen_jax.jobs.encode_latents import encode_dataset
from audiogen_jax.jobs.generate_clips import run_batch
from tests.input.conftest import CLIPS
from tests.latent_folder import random_latents, write_dataset

ROOT = "memory://bucket/data"


@pytest.fixture
def store(empty_store) -> Path:
    folder = empty_store(ROOT)
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, store: Path) -> None:
    store.fs.put(str(folder), store.path, recursive=True)


def samples(path: Path, member=None) -> np.ndarray:
    return AudioCache(16000, 0).load(path, member)


@pytest.fixture
def clip() -> Path:
    return sorted(CLIPS.rglob("*.flac"))[0]


def test_manifest(store, clip):
    row = {"duration": 1.0, "caption": "a sound"}
    rows = [
        {**row, "audio_id": "beside", "path": "sounds/a.flac"},
        {**row, "audio_id": "here", "path": str(clip.absolute())},
        {**row, "audio_id": "elsewhere", "path": f"{ROOT}/sounds/a.flac"},
    ]
    (store / "sounds").mkdir()
    (store / "sounds/a.flac").write_bytes(clip.read_bytes())
    (store / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for record in read_clips(f"{ROOT}/clips.jsonl"):
        np.testing.assert_array_equal(samples(record.path), samples(clip))
    with pytest.raises(FileNotFoundError, match=f"no audio file at {ROOT}/none.flac"):
        samples(store / "none.flac")
    with pytest.raises(FileNotFoundError, match=f"no manifest at {ROOT}/none.jsonl"):
        read_clips(f"{ROOT}/none.jsonl")


def test_tar(store, tmp_path, clip):
    text = tmp_path / "a.txt"
    text.write_text("a sound")
    with tarfile.open(tmp_path / "clips.tar", "w") as tar:
        tar.add(clip, "a.flac")
        tar.add(text, "a.txt")
    (store / "clips.tar").write_bytes((tmp_path / "clips.tar").read_bytes())
    (record,) = read_clips(f"{ROOT}/clips.tar")
    assert record.views["caption"] == ("a sound",)
    np.testing.assert_array_equal(samples(record.path, record.member), samples(clip))


def test_latents(store, tmp_path):
    latents = random_latents(np.random.default_rng(0), 7, 4)
    record = LatentRecord("a", "train", {"caption": ("a sound",)}, latents)
    put(write_dataset(tmp_path / "latents", [[record]], 4), store)
    dataset = LatentDataset(f"{ROOT}/latents")
    np.testing.assert_array_equal(dataset.read(0).latents, latents)
    with pytest.raises(FileNotFoundError, match=f"nothing at {ROOT}/none"):
        LatentDataset(f"{ROOT}/none")


def test_checkpoint_and_text_tokenizer(store):
    put(NANO, store)
    found = find_checkpoint(f"{ROOT}/nano")
    assert (found / "config.json").read_bytes() == (NANO / "config.json").read_bytes()
    assert (found / "tokenizer" / "model.safetensors").is_file()
    TextTokenizer.from_file(f"{ROOT}/nano/tokenizer.json")


def test_outputs_of_jobs_are_refused_at_once():
    """No model is loaded, no prompt is read, and nothing called "memory:" appears."""
    with pytest.raises(ValueError, match=f"{ROOT}: the folder of the clips must be on a local"):
        run_batch("none.jsonl", Path(ROOT))
    with pytest.raises(ValueError, match=f"{ROOT}: the dataset that is written must be on a local"):
        encode_dataset(["none.jsonl"], Path(ROOT))
    assert not Path("memory:").exists()
