"""Checkpoints in Hugging Face layout: round trips, the released names, and what is refused."""

import dataclasses
import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from audiogen_jax.checkpoints.dasheng_audiogen import (
    audiogen_layout,
    audiogen_template,
    load_audiogen,
    save_audiogen,
)
from audiogen_jax.checkpoints.dasheng_tokenizer import (
    load_tokenizer,
    save_tokenizer,
    tokenizer_layout,
    tokenizer_template,
)
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.safetensors import SafetensorsFolder
from audiogen_jax.checkpoints.t5 import T5_LAYOUT, load_t5, save_t5, t5_template
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.t5.config import T5Config
from tests.parity.golden import FOLDER

CHECKPOINTS = [
    ("t5_tiny", load_t5, save_t5),
    ("mt5_tiny", load_t5, save_t5),
    ("audiogen_tiny", load_audiogen, save_audiogen),
    ("audiogen_rms_tiny", load_audiogen, save_audiogen),
    ("audiogen_mt5_tiny", load_audiogen, save_audiogen),
    ("tokenizer_tiny", load_tokenizer, save_tokenizer),
]
NAMES = [name for name, *_ in CHECKPOINTS]


def weights(folder):
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize(("name", "load", "save"), CHECKPOINTS, ids=NAMES)
def test_round_trip(tmp_path, name, load, save):
    released = CheckpointFolder(FOLDER / name)
    save(tmp_path, *load(released))
    config, _ = load(CheckpointFolder(tmp_path))
    assert config == load(released)[0]
    released, written = weights(FOLDER / name), weights(tmp_path)
    assert {k: (v.shape, v.dtype) for k, v in written.items()} == {
        k: (v.shape, v.dtype) for k, v in released.items()
    }
    constants = ("window", "mel_scale.fb")
    for key, value in released.items():
        if key.endswith(constants):  # ours follow from float64
            np.testing.assert_allclose(written[key], value, atol=2e-5)
        else:
            np.testing.assert_array_equal(written[key], value, err_msg=key)
    files = ["config.json", "model.safetensors", "sha256.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == files


@pytest.mark.parametrize("model", ["audiogen", "tokenizer", "t5"])
def test_released_sizes(model):
    """Every tensor of the full-size checkpoints, by name and shape, without their memory."""
    layout, template = {
        "audiogen": (audiogen_layout(AudioGenConfig()), audiogen_template(AudioGenConfig())),
        "tokenizer": (tokenizer_layout(TokenizerConfig()), tokenizer_template(TokenizerConfig())),
        "t5": (T5_LAYOUT, t5_template(T5Config())),
    }[model]
    shapes = {name: tensor.shape for name, tensor in layout.tensors(template).items()}
    released = json.loads((FOLDER / "full_size" / "tensors.json").read_text())[model]
    assert shapes == {name: tuple(shape) for name, shape in released.items()}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_files_load_as_float32(tmp_path, dtype):
    config, params = load_tokenizer(CheckpointFolder(FOLDER / "tokenizer_tiny"))
    save_tokenizer(tmp_path, config, params, dtype)
    _, read = load_tokenizer(CheckpointFolder(tmp_path))
    kernel = read["decoder"]["head"]["out"]["kernel"]
    assert kernel.dtype == np.float32
    expected = params["decoder"]["head"]["out"]["kernel"].astype(jnp.dtype(dtype))
    np.testing.assert_array_equal(kernel, expected.astype(np.float32))
    assert weights(tmp_path)["encoder.model.init_bn.1.num_batches_tracked"].dtype == np.int64


@pytest.mark.parametrize(
    ("name", "load", "sizes"),
    [
        ("t5_tiny", load_t5, {"vocab_size": 2**22, "d_model": 2**16, "num_layers": 1024}),
        (
            "tokenizer_tiny",
            load_tokenizer,
            {"embed_dim": 2**16, "depth": 1024, "decoder_depth": 1024, "istft_n_fft": 65280},
        ),
        ("audiogen_tiny", load_audiogen, {"dit_embed_dim": 2**16, "dit_depth": 1024}),
    ],
    ids=["t5", "tokenizer", "audiogen"],
)
def test_the_largest_sizes_take_no_memory(tmp_path, name, load, sizes):
    """They are compared with those of the tensors first; all of these would be terabytes."""
    folder = shutil.copytree(FOLDER / name, tmp_path / name)
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | sizes))
    with pytest.raises(ValueError, match="does not fit its configuration: missing") as caught:
        load(CheckpointFolder(folder))
    assert len(str(caught.value)) < 10_000


def edited(tmp_path, name, edit):
    folder = tmp_path / name
    shutil.copytree(FOLDER / name, folder)
    tensors = weights(folder)
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_one_error_names_every_difference(tmp_path):
    def edit(tensors):
        del tensors["backbone.mid_block.attn.to_q.weight"], tensors["dummy_param"]
        tensors["stray"] = np.zeros(1, np.float32)
        tensors["backbone.in_blocks.1.norm1.bias"] = np.zeros(3, np.float32)

    with pytest.raises(ValueError) as caught:
        load_audiogen(CheckpointFolder(edited(tmp_path, "audiogen_tiny", edit)))
    message = str(caught.value)
    assert "missing tensors ['backbone.mid_block.attn.to_q.weight', 'dummy_param']" in message
    assert "surplus tensors ['stray']" in message
    assert "backbone.in_blocks.1.norm1.bias is (3,) instead of (56,)" in message
    assert "model.safetensors does not fit its configuration" in message
    assert "\n" not in message


def test_other_constants_are_refused(tmp_path):
    def edit(tensors):
        tensors["encoder.front_end.mel_spec.mel_scale.fb"] *= 0.5

    with pytest.raises(ValueError, match="mel_scale.fb is off by 0"):
        load_tokenizer(CheckpointFolder(edited(tmp_path, "tokenizer_tiny", edit)))


def test_the_decoder_of_a_whole_t5_is_left_unread(tmp_path):
    def edit(tensors):
        tensors["decoder.block.0.layer.0.SelfAttention.q.weight"] = np.zeros(1, np.float32)
        tensors["lm_head.weight"] = np.zeros(1, np.float32)
        tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"].copy()

    load_t5(CheckpointFolder(edited(tmp_path, "t5_tiny", edit)))


@pytest.mark.parametrize("drop", ["shared.weight", "encoder.embed_tokens.weight"])
def test_the_embedding_under_either_name(tmp_path, drop):
    def edit(tensors):
        tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"].copy()
        del tensors[drop]

    _, params = load_t5(CheckpointFolder(edited(tmp_path, "t5_tiny", edit)))
    _, expected = load_t5(CheckpointFolder(FOLDER / "t5_tiny"))
    np.testing.assert_array_equal(
        params["token_embed"]["embedding"], expected["token_embed"]["embedding"]
    )


def test_instruction_length_comes_from_the_tensors():
    config, _ = load_audiogen(CheckpointFolder(FOLDER / "audiogen_tiny"))
    assert (config.instruction_seq_len, config.instruction_length) == (5, 4)
    assert "instruction_length" not in config.to_hf()


def test_a_model_of_times_says_so_in_its_config():
    config, _ = load_audiogen(CheckpointFolder(FOLDER / "audiogen_tiny"))
    assert not config.timeline and "timeline" not in config.to_hf()  # as the release's
    timed = dataclasses.replace(config, timeline=True)
    assert timed.to_hf()["timeline"] is True
    assert type(config).from_hf(timed.to_hf()).timeline


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no configuration at"):
        load_t5(CheckpointFolder(tmp_path))
    shutil.copy(FOLDER / "t5_tiny" / "config.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="no weights at"):
        load_t5(CheckpointFolder(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        load_t5(CheckpointFolder(tmp_path))


def test_tensors_lie_where_a_cpu_takes_them_without_a_copy(tmp_path):
    values = {"a": np.arange(5, dtype=np.float32), "b": np.ones((3, 7), np.float16)}
    save_file(values, tmp_path / "model.safetensors")
    file = SafetensorsFolder(tmp_path)
    for name, expected in values.items():
        read = file.read(name)
        np.testing.assert_array_equal(read, expected)
        assert read.dtype == expected.dtype and read.ctypes.data % 64 == 0
    contents = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(contents[:-4])
    with pytest.raises(ValueError, match="was cut short while it was read, at b"):
        file.read("b")
