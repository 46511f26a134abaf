"""Orbax copies: the same parameters as the released files give, read as lazily."""

import os
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.dasheng_tokenizer import TokenizerCheckpoint, load_tokenizer
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.orbax import OrbaxFolder, save_orbax
from audiogen_jax.checkpoints.t5 import load_t5
from audiogen_jax.models.dasheng.codec import DashengCodec
from tests.parity.golden import FOLDER


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """The golden tokenizer, as an Orbax copy."""
    folder = tmp_path_factory.mktemp("orbax")
    config, params = load_tokenizer(CheckpointFolder(FOLDER / "tokenizer_tiny"))
    save_orbax(folder, config.to_hf(), params)
    return folder


@pytest.mark.parametrize("stacked", [True, False])
def test_a_generator(tmp_path, stacked):
    config, params = load_audiogen(CheckpointFolder(FOLDER / "audiogen_tiny"))
    save_orbax(tmp_path, config.to_hf(derived=True), params)
    copied, read = load_audiogen(CheckpointFolder(tmp_path), stacked=stacked)
    assert copied == config and config.instruction_length == 4
    _, expected = load_audiogen(CheckpointFolder(FOLDER / "audiogen_tiny"), stacked=stacked)
    jax.tree.map(np.testing.assert_array_equal, read, expected)


def test_half_precision(tmp_path):
    config, params = load_t5(CheckpointFolder(FOLDER / "mt5_tiny"), jnp.bfloat16)
    save_orbax(tmp_path, config.to_hf(), params)
    assert OrbaxFolder(tmp_path).read("final_norm/scale").dtype == jnp.bfloat16
    copied, read = load_t5(CheckpointFolder(tmp_path))
    assert copied == config and config.model_type == "mt5"
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a.astype(b.dtype), b), params, read)


def test_parts_are_read_alone(tokenizer, monkeypatch):
    checkpoint, read, plain = TokenizerCheckpoint(CheckpointFolder(tokenizer)), [], OrbaxFolder.read
    monkeypatch.setattr(
        OrbaxFolder, "read", lambda self, name: read.append(name) or plain(self, name)
    )
    decoder = DashengCodec.decoder
    assert set(checkpoint.read(decoder)) == set(decoder)
    assert read and all(name.startswith(decoder) for name in read)


def test_damage(tokenizer, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(tokenizer, folder)
    (folder / "sha256.json").unlink()  # as of a folder that another program wrote
    for data in (folder / "params").rglob("d/*"):
        data.unlink()
    with pytest.raises(ValueError, match="params.* cannot be read|is not a whole Orbax checkpoint"):
        load_tokenizer(CheckpointFolder(folder))
    shutil.rmtree(folder / "params")
    (folder / "params").mkdir()
    with pytest.raises(ValueError, match="params is not a whole Orbax checkpoint"):
        load_tokenizer(CheckpointFolder(folder))


@pytest.mark.parametrize("name", ["_METADATA", "manifest.ocdbt"])
def test_pipes_and_devices_are_not_opened(tokenizer, tmp_path, name):
    """Reading one never ends."""
    folder = shutil.copytree(tokenizer, tmp_path / "copy")
    (folder / "params" / name).unlink()
    os.mkfifo(folder / "params" / name)
    for _ in range(2):
        with pytest.raises(ValueError, match=f"{name} is no regular file"):
            load_tokenizer(CheckpointFolder(folder))
        (folder / "params" / name).unlink()
        (folder / "params" / name).symlink_to("/dev/zero")
        (folder / "sha256.json").unlink(missing_ok=True)


def test_other_parameters(tmp_path):
    config, params = load_t5(CheckpointFolder(FOLDER / "t5_tiny"))
    params = dict(params, final_norm={"scale": np.ones(3, np.float32)}, stray=np.ones(2))
    del params["relative_bias"]
    params["token_embed"] = {"embedding": params["token_embed"]["embedding"].astype(np.int32)}
    save_orbax(tmp_path / "a", config.to_hf(), params)
    with pytest.raises(ValueError) as caught:
        load_t5(CheckpointFolder(tmp_path / "a"))
    message = str(caught.value)
    assert "params does not fit its configuration: missing tensors ['relative_bias" in message
    assert "surplus tensors ['stray']" in message
    assert "final_norm/scale is (3,) instead of (64,)" in message
    _, whole = load_t5(CheckpointFolder(FOLDER / "t5_tiny"))
    save_orbax(tmp_path / "b", config.to_hf(), dict(whole, token_embed=params["token_embed"]))
    with pytest.raises(ValueError, match="token_embed/embedding is int32.*floating-point"):
        load_t5(CheckpointFolder(tmp_path / "b"))
