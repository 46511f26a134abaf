"""Clips that are held out where a set has no validation split."""

import dataclasses
import io
import json
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.input.audio_batches import DataConfig, make_iterator
from audiogen_jax.input.holdout import held_out
from audiogen_jax.input.latent_batches import LatentDataConfig, make_latent_iterator
from audiogen_jax.input.latent_records import LatentRecord
from tests.latent_folder import random_latents, write_dataset

IDS = st.lists(st.text(max_size=8), unique=True, max_size=60)


@given(IDS, st.floats(0, 1), st.randoms())
def test_a_share_in_whatever_order(ids: list[str], share: float, random):
    chosen = held_out(ids, share)
    shuffled = random.sample(ids, len(ids))
    assert held_out(shuffled, share) == chosen <= {*ids}
    assert bool(chosen) == (share > 0 and len(ids) > 1)
    assert not chosen or chosen < {*ids}
    assert chosen <= held_out(ids, min(1, share + 0.2)) or not share


@given(IDS, st.text(max_size=8), st.floats(0.01, 0.99))
def test_one_more_clip_moves_no_other(ids: list[str], new: str, share: float):
    before, after = held_out(ids, share), held_out([*{*ids, new}], share)
    assert len((before ^ after) - {new}) <= 1  # the only one of a small set


@given(IDS, st.floats(0, 1), st.integers(1, 5))
def test_clips_of_one_recording_are_on_one_side(ids: list[str], share: float, count: int):
    recordings = {name: f"recording {len(name) % count}" for name in ids if "a" not in name}
    chosen = held_out(ids, share, recordings)
    for recording in {*recordings.values()}:
        clips = {name for name in ids if recordings.get(name) == recording}
        assert clips <= chosen or not clips & chosen
    groups = {recordings.get(name, name) for name in ids}
    assert bool(chosen) == (share > 0 and len(groups) > 1) and (not ids or chosen < {*ids})


def test_about_the_share():
    assert 80 <= len(held_out([str(i) for i in range(1000)], 0.1)) <= 120


def clip(i: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.1 + 0.02 * i * np.ones(800), 16000, format="WAV")
    return buffer.getvalue()


@pytest.fixture
def sources(tmp_path) -> dict[str, Path]:
    """Twelve clips without a split as a manifest, a tar file and a folder of latents."""
    manifest, tar = tmp_path / "clips.jsonl", tmp_path / "clips.tar"
    rows = []
    with tarfile.open(tar, "w") as archive:
        for i in range(12):
            files = {f"{i}.wav": clip(i), f"{i}.txt": b"a tone"}
            for name, contents in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(contents)
                archive.addfile(info, io.BytesIO(contents))
            (tmp_path / f"{i}.wav").write_bytes(clip(i))
            rows.append({"audio_id": str(i), "path": f"{i}.wav", "duration": 0.05, "caption": "x"})
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    rng = np.random.default_rng(0)
    records = [
        LatentRecord(str(i), "train", {"caption": ("x",)}, random_latents(rng, 5, 4))
        for i in range(12)
    ]
    latents = write_dataset(tmp_path / "latents", [records[:7], records[7:]], 4)
    return {"manifest": manifest, "tar": tar, "latents": latents}


def ids_of(source: Path, split: str, **settings) -> set[str]:
    """The clips that some batches are made of."""
    common = dict(split=split, buckets=(1.0,), batch_sizes=(4,), **settings)
    if source.is_dir():
        batches = make_latent_iterator(LatentDataConfig(datasets=((str(source), 1.0),), **common))
    else:
        batches = make_iterator(DataConfig(manifests=((str(source), 1.0),), **common))
    return {str(clip_id) for _ in range(6) for clip_id in next(batches)["id"]}


@pytest.mark.parametrize("kind", ["manifest", "tar", "latents"])
def test_no_clip_is_on_both_sides(sources, kind: str):
    source = sources[kind]
    with pytest.warns(UserWarning, match=r"has no validation split: \d+ of its 12 clips are held"):
        train = ids_of(source, "train", holdout=0.2)
    with warnings.catch_warnings(action="ignore"):
        validation = ids_of(source, "val", holdout=0.2)
    assert validation == held_out([str(i) for i in range(12)], 0.2)
    assert train == {str(i) for i in range(12)} - validation
    assert ids_of(source, "train", holdout=0.0) == train | validation
    with pytest.raises(ValueError, match=r"holds no clips of split 'val': .*eval.batches=0"):
        ids_of(source, "val", holdout=0.0)


def test_a_split_of_the_data_is_kept(sources):
    manifest = sources["manifest"]
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows[3]["split"] = "val"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in (3, 4):
        rows[name]["recording"] = "a concert"
    marked = manifest.with_name("marked.jsonl")
    marked.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.warns(UserWarning, match=r"1 recordings have clips in both splits \('a concert'\)"):
        ids_of(marked, "val")
    with warnings.catch_warnings(action="error"):
        assert ids_of(manifest, "val", holdout=0.5) == {"3"}
        assert ids_of(manifest, "train", holdout=0.5) == {str(i) for i in range(12)} - {"3"}


def test_bounds():
    config = DataConfig(manifests=(("a", 1.0),))
    with pytest.raises(ValueError, match="holdout"):
        dataclasses.replace(config, holdout=1.5)
