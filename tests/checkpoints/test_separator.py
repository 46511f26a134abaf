"""Separators beside a generator: written, read, copied, and what does not fit."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.checkpoints.convert import convert_checkpoint
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.separator import load_separator, save_separator
from tests.tiny_separator import SIZES, with_separator


@pytest.fixture(scope="module")
def folder(tiny_checkpoint, tmp_path_factory):
    return with_separator(tiny_checkpoint, tmp_path_factory.mktemp("separator") / "model")


def test_what_is_written_is_read(folder, tmp_path):
    config, params = load_separator(CheckpointFolder(folder / "separator"))
    assert config == SIZES
    save_separator(tmp_path, config, params)
    again = load_separator(CheckpointFolder(tmp_path))[1]
    jax.tree.map(np.testing.assert_array_equal, params, again)


def test_a_generator_edits_with_it_and_copies_keep_it(folder, tiny_checkpoint, tmp_path):
    assert ag.load(folder).edits and not ag.load(tiny_checkpoint).edits
    counts = convert_checkpoint(folder, tmp_path / "copy", "float16")
    assert counts["separator"] > 1000
    sound = np.random.default_rng(0).normal(0, 0.1, 4800).astype(np.float32)
    made = [
        ag.load(each).edit("remove", sound, 16000, what="rain").audio
        for each in (folder, tmp_path / "copy")
    ]
    np.testing.assert_allclose(made[0], made[1], atol=1e-3)


def test_its_files_are_part_of_the_checkpoint_hash(folder, tiny_checkpoint):
    hashes = {ag.load(each).checkpoint_sha256() for each in (folder, tiny_checkpoint)}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "t5"}, "holds a 't5' checkpoint, expected 'audiogen_separator'"),
        ({"depth": 3}, "blocks.2"),
        ({"text_dim": 8}, r"query"),
        ({"samples_per_latent": 320}, "but the generator beside it has"),
        ({"width": 1e9}, "width="),
    ],
)
def test_what_does_not_fit(folder, tmp_path, change, message):
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model" / "separator" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    (path.parent / "sha256.json").unlink()
    with pytest.raises(ValueError, match=message):
        assert ag.load(tmp_path / "model").edits


def test_sizes_go_through_config_json():
    sizes = dataclasses.replace(SIZES, hop=80)
    assert type(sizes).from_hf(sizes.to_hf()) == sizes
