"""Job folders that version 0.1 wrote, stopped or killed, are gone on with."""

import dataclasses
import json
import shutil
import tarfile
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile

from audiogen_jax.files.fingerprint import sha256
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.jobs.encode_latents import encode_dataset
from audiogen_jax.jobs.generate_clips import BatchSettings, run_batch

OLD = Path(__file__).parent.parent / "written_by_0_1"
SETTINGS = BatchSettings(options=SamplingOptions(steps=4), duration=0.2, batch_size=2)
EXPECTED = json.loads((OLD / "expected.json").read_text())


@pytest.fixture
def old(tmp_path, monkeypatch):
    """Makes a copy of some of the old files the current folder: they name each other from there."""

    def copy(*names: str) -> None:
        for name in names:
            if name.endswith(".tar.gz"):
                with tarfile.open(OLD / name) as tar:
                    tar.extractall(tmp_path, filter="data")
            elif (OLD / name).is_dir():
                shutil.copytree(OLD / name, tmp_path / name)
            else:
                shutil.copy(OLD / name, tmp_path)

    monkeypatch.chdir(tmp_path)
    return copy


def rows(path: str) -> dict[str, dict]:
    return {row["id"]: row for row in map(json.loads, Path(path).read_text().splitlines())}


@pytest.mark.parametrize("name", ["clips", "clips_killed_renaming", "clips_killed_appending"])
def test_clips(old, name: str):
    old(name, "prompts.jsonl", "checkpoint", "clips_expected")
    staged = Path(name, ".staging")
    before = {path.name: path.read_bytes() for path in Path(name).glob("*.wav")}
    done = run_batch("prompts.jsonl", name, SETTINGS, checkpoint="checkpoint")
    assert (done.done, done.total, done.made, done.errors) == (4, 4, 2, 0)
    assert not staged.exists() or not list(staged.iterdir())
    for file, contents in before.items():
        assert Path(name, file).read_bytes() == contents, "made again"
    expected, made = rows("clips_expected/manifest.jsonl"), rows(f"{name}/manifest.jsonl")
    assert made.keys() == expected.keys()
    for clip_id, row in expected.items():
        new = made[clip_id]
        assert new["sha256"] == sha256(Path(name, new["file"]))
        assert new.keys() == row.keys()
        for key in row.keys() - {"sha256", "dtype", "peak", "rms_dbfs"}:
            assert new[key] == row[key]
        # Other machines round one of 16 bits another way.
        a, _ = soundfile.read(Path(name, row["file"]), dtype="int16")
        b, _ = soundfile.read(Path("clips_expected", row["file"]), dtype="int16")
        assert np.abs(a.astype(int) - b).max() <= 2


def test_another_job_is_refused_in_one_line(old):
    old("clips", "prompts.jsonl", "checkpoint")
    settings = dataclasses.replace(SETTINGS, param_dtype="bf16")
    with pytest.raises(ValueError) as refusal:
        run_batch("prompts.jsonl", "clips", settings, checkpoint="checkpoint")
    assert str(refusal.value) == (
        "clips belongs to another job: param_dtype was 'float32' and is 'bfloat16'. Give another "
        "folder, or the same arguments to go on"
    )


def test_latents(old):
    old("latents_partial.tar.gz", "audio", "checkpoint")
    done = encode_dataset(
        ["audio/manifest.jsonl"],
        "latents_partial",
        checkpoint="checkpoint/tokenizer",
        batch_size=2,
        shard_size=2,
    )
    assert (done.done, done.total, done.made, done.missing_shards) == (4, 4, 2, 0)
    shards = sorted(Path("latents_partial").glob("*.arrayrecord"))
    hashes = {path.name: sha256(path) for path in shards}
    assert hashes.keys() == EXPECTED["latents"].keys()
    if jax.__version_info__ < (0, 11):  # later compilers round otherwise than the one of 0.1
        assert hashes == EXPECTED["latents"]


def test_a_finished_dataset_of_latents(old):
    old("latents.tar.gz", "latents_partial.tar.gz", "audio", "checkpoint")
    Path("latents/.lock").unlink()  # which does not stay any more
    before = {path: path.read_bytes() for path in Path("latents").iterdir() if path.is_file()}
    options = dict(checkpoint="checkpoint/tokenizer", batch_size=2, shard_size=2)
    assert encode_dataset(["audio/manifest.jsonl"], "latents", **options).made == 0
    for path, contents in before.items():
        assert path.read_bytes() == contents
    records = [LatentDataset("latents").read(number) for number in range(4)]
    assert [len(record.latents) for record in records] == [7, 8, 6, 9]  # in the order of durations
