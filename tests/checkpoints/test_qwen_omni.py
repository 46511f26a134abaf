"""Qwen2.5-Omni checkpoints: every name and shape of the releases, and what is not the thinker's."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from audiogen_jax.checkpoints.convert import convert_checkpoint
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.qwen_omni import (
    load_language_model,
    load_thinker,
    thinker_layout,
    thinker_template,
)
from audiogen_jax.models.omni.thinker.config import (
    AudioConfig,
    TextConfig,
    ThinkerConfig,
    VisionConfig,
)
from audiogen_jax.sharding.placement import parameter_axes, parameter_name
from tests.parity.golden import FOLDER
from tests.tiny_thinker import CONFIG, stacked_params, write_checkpoint

SEVEN = ThinkerConfig(
    TextConfig(
        vocab_size=152064,
        hidden_size=3584,
        intermediate_size=18944,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
    ),
    AudioConfig(output_dim=3584),
    VisionConfig(out_hidden_size=3584),
)
IN_AUDIO_OMNI = "conditioner.conditioners.omni_prompt.model.thinker."


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("thinker"))


@pytest.fixture(scope="module")
def whole(checkpoint, tmp_path_factory):
    """The same as a release has it: beside a talker and a vocoder, in one folder."""
    folder = tmp_path_factory.mktemp("whole")
    tensors = load_file(checkpoint / "model.safetensors")
    tensors = {f"thinker.{name}": tensor for name, tensor in tensors.items()}
    tensors |= {"talker.model.norm.weight": np.ones(3), "token2wav.x.weight": np.ones(2)}
    save_file(tensors, folder / "model.safetensors")
    config = json.loads((checkpoint / "config.json").read_text())
    values = {"model_type": "qwen2_5_omni", "thinker_config": config, "talker_config": {"a": 1}}
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize(
    ("config", "table", "prefix"),
    [(SEVEN, "qwen_7b_thinker", ""), (ThinkerConfig(), "audio_omni", IN_AUDIO_OMNI)],
    ids=["7B", "3B"],
)
def test_names_and_shapes_of_the_releases(config, table, prefix):
    """Every tensor is read once: as many rules' tensors as names, and the same."""
    text = (FOLDER / "audio_omni" / "full_size_tensors.json").read_text()
    released = {n: shape for n, (_, shape) in json.loads(text)[table].items() if prefix in n}
    built = thinker_layout(config, prefix).tensors(thinker_template(config))
    assert {name: list(tensor.shape) for name, tensor in built.items()} == released


def test_every_parameter_has_named_axes():
    from audiogen_jax.models.omni.thinker.axes import AXES

    for path, leaf in jax.tree_util.tree_flatten_with_path(thinker_template(CONFIG))[0]:
        assert len(parameter_axes(parameter_name(path), leaf.ndim, AXES)) == leaf.ndim


def test_a_copy_is_the_same(checkpoint):
    config, params = load_thinker(CheckpointFolder(checkpoint), "float32")
    assert config == CONFIG
    jax.tree.map(np.testing.assert_array_equal, params, stacked_params())


def test_a_whole_release_is_read_for_its_thinker(checkpoint, whole):
    config, params = load_thinker(CheckpointFolder(whole), "float32", stacked=False)
    alone = load_thinker(CheckpointFolder(checkpoint), "float32", stacked=False)[1]
    assert config == CONFIG and isinstance(params["text"]["layers"], tuple)
    jax.tree.map(np.testing.assert_array_equal, params, alone)


def test_convert_keeps_the_thinker_and_its_tokenizer(checkpoint, tmp_path):
    convert_checkpoint(checkpoint, tmp_path / "copy", "bfloat16")
    opened = CheckpointFolder(tmp_path / "copy")
    loaded = load_language_model(opened, np.float32, np.float32, np.asarray)
    question = "What is heard?"
    assert loaded.reader.decode(loaded.reader.encode(question)) == question
    assert loaded.stop_ids == (CONFIG.pad_token_id, CONFIG.eos_token_id)


def test_answers_end_as_the_release_says(checkpoint, tmp_path):
    for path in checkpoint.iterdir():
        if path.name != "sha256.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [5, 290]}')
    opened = CheckpointFolder(tmp_path)
    assert 5 in load_language_model(opened, np.float32, np.float32, np.asarray).stop_ids
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": "x"}')
    with pytest.raises(ValueError, match="eos_token_id"):
        load_language_model(opened, np.float32, np.float32, np.asarray)


def test_no_thinker_and_wrong_sizes(whole, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_omni"}')
    with pytest.raises(ValueError, match="no object 'thinker_config'"):
        load_thinker(CheckpointFolder(tmp_path))
    values = json.loads((whole / "config.json").read_text())
    values["thinker_config"]["text_config"]["num_hidden_layers"] = 4
    (whole / "model.safetensors").rename(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"missing tensors \['thinker\.model\.layers\.3"):
        load_thinker(CheckpointFolder(tmp_path))
    (tmp_path / "model.safetensors").rename(whole / "model.safetensors")


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("text", "rope_scaling", {"type": "yarn", "factor": 4}),
        ("text", "use_sliding_window", True),
        ("text", "layer_types", ["sliding_attention"]),
        ("text", "hidden_act", "gelu"),
        ("audio", "scale_embedding", True),
        ("vision", "in_channels", 4),
        ("vision", "fullatt_block_indexes", [7]),
    ],
)
def test_variants_that_are_not_built_are_named(part, field, value):
    values = json.loads(json.dumps(CONFIG.to_hf()))
    values[f"{part}_config"][field] = value
    with pytest.raises(ValueError, match="built|below depth"):
        ThinkerConfig.from_hf(values)


def test_fields_of_the_release_that_set_nothing():
    """Those of the published config.json, as transformers 4 and 5 write them."""
    values = json.loads(json.dumps(CONFIG.to_hf()))
    section = values["text_config"].pop("rope_scaling")["mrope_section"]
    values["text_config"] |= {
        "rope_parameters": {"mrope_section": section, "rope_type": "default", "rope_theta": 1e6},
        "max_position_embeddings": 32768,
        "sliding_window": 32768,
        "use_sliding_window": False,
        "max_window_layers": 28,
        "init_std": 0.02,
        "add_cross_attention": False,
        "tie_word_embeddings": False,
    }
    values["vision_config"] |= {"embed_dim": 16, "in_chans": 3, "tokens_per_second": 25}
    values["audio_config"] |= {"encoder_layerdrop": 0.0, "num_hidden_layers": 1}
    values |= {"ignore_index": -100, "user_token_id": 872, "vision_token_id": 151654}
    assert ThinkerConfig.from_hf(values) == dataclasses.replace(CONFIG)
