"""Adapters in a file of their own."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from audiogen_jax.checkpoints.adapters import load_adapters, save_adapters

ADAPTERS = {"dit/x/kernel": {"lora_a": np.ones((3, 4, 2)), "lora_b": np.zeros((3, 2, 5))}}


def test_round_trip(tmp_path):
    save_adapters(tmp_path / "a.safetensors", ADAPTERS, 0.3)
    found, scale = load_adapters(tmp_path / "a.safetensors")
    assert scale == 0.3 and found.keys() == ADAPTERS.keys()
    for part, value in ADAPTERS["dit/x/kernel"].items():
        np.testing.assert_array_equal(found["dit/x/kernel"][part], value)
    assert {path.name for path in tmp_path.iterdir()} == {"a.safetensors", "sha256.json"}
    assert load_adapters(tmp_path / "a.safetensors")[1] == 0.3


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="no adapters at"):
        load_adapters(tmp_path / "none.safetensors")
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match="no file of adapters"):
        load_adapters(path)
    save_file({"dit/x": np.ones(2)}, path)
    with pytest.raises(ValueError, match="no file of adapters"):
        load_adapters(path)
    save_file({"dit/x/lora_a": np.ones(2)}, path, metadata={"scale": "1.0"})
    with pytest.raises(ValueError, match="'dit/x' has"):
        load_adapters(path)
