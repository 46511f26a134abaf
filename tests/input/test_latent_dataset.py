import io
import json
import pickle
import shutil
import zipfile

import numpy as np
import pytest

from audiogen_jax.input import latent_dataset
from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.input.latent_records import LatentRecord
from tests.latent_folder import TOKENIZER, random_latents, write_dataset

CHANNELS = 64
SIZES = (3, 0, 4)
"""Records of the shards."""


def clip(number: int) -> LatentRecord:
    rng = np.random.default_rng(number)
    views = {"caption": ("x",)} if number != 5 else {"sfx": ("y",)}
    split = "val" if number == 2 else "train"
    return LatentRecord(f"clip {number}", split, views, random_latents(rng, 5 + number, CHANNELS))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    numbers = iter(range(sum(SIZES)))
    shards = [[clip(next(numbers)) for _ in range(size)] for size in SIZES]
    return write_dataset(tmp_path_factory.mktemp("latents"), shards, CHANNELS)


@pytest.fixture
def folder(whole, tmp_path):
    """Without hashes, as folders of version 0.1: what is seen without them."""
    shutil.copytree(whole, tmp_path / "latents")
    (tmp_path / "latents" / "sha256.json").unlink()
    return tmp_path / "latents"


def test_the_index_tells_lengths_splits_and_captions(whole):
    dataset = LatentDataset(whole)
    assert len(dataset) == 7
    assert dataset.frames.tolist() == [5, 6, 7, 8, 9, 10, 11]
    assert dataset.splits.tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert dataset.captioned.tolist() == [True] * 5 + [False, True]
    assert [dataset.audio_id(number) for number in (0, 3, 6)] == ["clip 0", "clip 3", "clip 6"]
    assert (dataset.info.tokenizer_sha256, dataset.info.channels) == (TOKENIZER, CHANNELS)


def test_records_are_read_by_number(whole, monkeypatch):
    monkeypatch.setattr(latent_dataset, "_OPEN_SHARDS", 1)
    dataset = LatentDataset(whole)
    for each in (dataset, pickle.loads(pickle.dumps(dataset))):
        for number in (6, 0, 3, 2, 5):
            found, expected = each.read(number), clip(number)
            assert (found.audio_id, found.split) == (expected.audio_id, expected.split)
            np.testing.assert_array_equal(found.latents, expected.latents)


def test_a_changed_byte_never_goes_unseen(folder):
    """Wherever it is: in the latents, the header of a record, or ArrayRecord's own parts."""
    shard = folder / "latents-00002-of-00003.arrayrecord"
    contents = shard.read_bytes()
    used = np.flatnonzero(np.frombuffer(contents, np.uint8))  # most of a small file is padding
    expected = [clip(number).latents for number in range(3, 7)]
    refused = 0
    for position in np.random.default_rng(0).choice(used, 60):
        damaged = bytearray(contents)
        damaged[position] ^= 0x41
        shard.write_bytes(damaged)
        dataset = LatentDataset(folder)
        for number, latents in enumerate(expected):
            try:
                np.testing.assert_array_equal(dataset.read(3 + number).latents, latents)
            except ValueError as error:
                refused += 1
                assert f"{shard}, record {number} cannot be read" in str(error)
                assert "restore the file" in str(error)
    assert refused >= 20


def test_an_index_of_other_clips_is_noticed(folder):
    index = folder / "latents-00000-of-00003.npz"
    with np.load(index) as arrays:
        changed = dict(arrays) | {"frames": arrays["frames"][::-1]}
    np.savez(index, **changed)
    with pytest.raises(ValueError, match=r"record 0 cannot be read \(\(5, 64\) latents, expected"):
        LatentDataset(folder).read(0)


@pytest.mark.parametrize("suffix", ["arrayrecord", "npz"])
def test_a_missing_file_is_named(folder, suffix):
    (folder / f"latents-00002-of-00003.{suffix}").unlink()
    with pytest.raises(FileNotFoundError, match=f"latents-00002-of-00003.{suffix} is missing"):
        LatentDataset(folder)


def test_a_shard_cut_short_is_named(folder):
    shard = folder / "latents-00000-of-00003.arrayrecord"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"latents-00000-of-00003.arrayrecord has \d+ bytes, exp"):
        LatentDataset(folder)


@pytest.mark.parametrize("contents", [b"", b"PK\3\4 and nothing more"])
def test_a_broken_index_is_named(folder, contents):
    (folder / "latents-00000-of-00003.npz").write_bytes(contents)
    with pytest.raises(ValueError, match="latents-00000-of-00003.npz is no index"):
        LatentDataset(folder)


def test_a_folder_that_is_not_finished_is_named(folder):
    (folder / "dataset.json").unlink()
    with pytest.raises(FileNotFoundError, match="no dataset.json in .*encode-dataset"):
        LatentDataset(folder)


@pytest.mark.parametrize("name", ["dataset.json", "latents-00000-of-00003.npz"])
def test_hashes_show_every_change(whole, tmp_path, name):
    folder = shutil.copytree(whole, tmp_path / "latents")
    contents = (folder / name).read_bytes()
    (folder / name).write_bytes(contents.replace(b"6", b"7") + b" ")
    with pytest.raises(ValueError, match=f"{name} is not what was written there"):
        LatentDataset(folder)


def test_an_index_of_terabytes_is_refused(folder):
    """Zeros compress well: sizes are compared before memory is taken."""
    index = folder / "latents-00000-of-00003.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i4", "fortran_order": False, "shape": (10**12,)}
    )
    for name, contents in (("frames.npy", header.getvalue()), ("split.npy", b"")):
        with zipfile.ZipFile(index, "w") as arrays:
            arrays.writestr(name, contents)
        with pytest.raises(ValueError, match="00000-of-00003.npz is no index of the 3 records"):
            LatentDataset(folder)


SHARD = {"file": "latents-00000-of-00003.arrayrecord", "clips": 3, "bytes": 9, "sha256": ""}


@pytest.mark.parametrize(
    "change",
    [
        {"shards": None},
        {"shards": [{"file": "x"}]},
        {"new": 1},
        {"dtype": "float32"},
        {"channels": "64"},
        {"channels": 10**9},
        {"sample_rate": True},
        {"latent_rate": 0},
        {"shards": [SHARD | {"file": "../other"}]},
        {"shards": [SHARD | {"file": 3}]},
        {"shards": [SHARD | {"clips": 10**12}]},
        {"shards": [SHARD | {"clips": 1.5}]},
        {"shards": [SHARD | {"bytes": "9"}]},
    ],
)
def test_a_wrong_description_is_named(folder, change):
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=r"dataset\.json"):
        LatentDataset(folder)
