"""Qwen2 checkpoints: names and sizes of the release, and what is wrong with others."""

import json
import math
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from audiogen_jax.checkpoints.qwen2 import (
    LAYOUT,
    downloaded_qwen2,
    load_qwen2,
    qwen2_template,
)
from audiogen_jax.checkpoints.releases import QWEN2
from audiogen_jax.models.qwen2 import Qwen2Config
from tests.parity.golden import FOLDER
from tests.tiny_thinker import write_checkpoint

TINY = FOLDER / "qwen2_tiny"
RELEASED = {
    "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
    "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 896, "initializer_range": 0.02,
    "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 24,
    "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
    "sliding_window": 32768, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
    "transformers_version": "4.40.1", "use_cache": True, "use_mrope": False,
    "use_sliding_window": False, "vocab_size": 151936,
}  # fmt: skip
"""config.json of Qwen2.5-0.5B."""


def test_names_and_shapes_of_the_release():
    config = Qwen2Config.from_hf(RELEASED)
    assert config == Qwen2Config() == Qwen2Config.from_hf(config.to_hf())
    assert config.to_hf().items() <= RELEASED.items()
    released = json.loads((TINY / "full_size_tensors.json").read_text())
    built = LAYOUT.tensors(qwen2_template(config))
    assert {name: list(tensor.shape) for name, tensor in built.items()} == released
    (release,) = QWEN2.values()
    assert release.bytes == 2 * sum(map(math.prod, released.values()))


def copy(tmp_path, **fields):
    folder = shutil.copytree(TINY, tmp_path / "copy")
    values = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "llama"}, r"'llama': expected 'qwen2', such as Qwen/Qwen2\.5-0\.5B"),
        ({"tie_word_embeddings": False}, r"tie_word_embeddings=False \(only True\)"),
        ({"use_mrope": True}, r"use_mrope=True \(only False\)"),
        ({"use_sliding_window": True}, r"use_sliding_window=True \(only False\)"),
        ({"num_attention_heads": 0}, "num_attention_heads=0: expected two numbers"),
        ({"hidden_size": 60}, "hidden_size=60 must be an even multiple"),
        ({"num_hidden_layers": 3}, "missing tensors .*layers.2.input_layernorm"),
        ({"num_hidden_layers": 1}, "surplus tensors .*layers.1.input_layernorm"),
        ({"intermediate_size": 97}, r"gate_proj.weight is \(96, 64\) instead of \(97, 64\)"),
        ({"vocab_size": 277}, "277"),
    ],
)
def test_what_does_not_fit_is_named(fields, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        load_qwen2(copy(tmp_path, **fields))
    assert "\n" not in str(caught.value)


def test_a_head_of_its_own_is_surplus(tmp_path):
    folder = copy(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = np.zeros((300, 64), np.float32)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"surplus tensors \['lm_head.weight'\]"):
        load_qwen2(folder)


def test_a_file_that_was_cut_short(tmp_path):
    folder = copy(tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"model\.safetensors is not a safetensors file, or was"):
        load_qwen2(folder)
    (folder / "tokenizer.json").write_text('{"model": {"vocab": ')
    (folder / "model.safetensors").write_bytes(whole)
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        load_qwen2(folder)


def test_one_that_has_been_downloaded_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert downloaded_qwen2() is None
    (name,) = QWEN2
    with pytest.raises(ValueError, match=r"0\.5B \(1\.0 GB, Apache-2\.0\) is not in the cache"):
        load_qwen2(name)
    with pytest.raises(ValueError, match="'qwen2_5_omni_thinker': expected 'qwen2'"):
        load_qwen2(write_checkpoint(tmp_path / "thinker"))
    repository = tmp_path / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a")
    shutil.copytree(TINY, repository / "snapshots" / "a")
    found = downloaded_qwen2()
    assert found is not None and load_qwen2(found).decoder.config.num_hidden_layers == 2
