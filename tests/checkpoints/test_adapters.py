"""Adapters in a file of their own."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from audiogen_jax.checkpoints.adapters import Adapters, load_adapters, save_adapters

MATRICES = {"dit/x/kernel": {"lora_a": np.ones((3, 4, 2)), "lora_b": np.zeros((3, 2, 5))}}
ADDED = {"dit": {"until_embed": {"bias": np.ones(3)}}}


def test_round_trip(tmp_path):
    save_adapters(tmp_path / "a.safetensors", Adapters(MATRICES, 0.3, ADDED, "flow_map"))
    found = load_adapters(tmp_path / "a.safetensors")
    assert (found.scale, found.form) == (0.3, "flow_map")
    assert found.matrices.keys() == MATRICES.keys()
    for part, value in MATRICES["dit/x/kernel"].items():
        np.testing.assert_array_equal(found.matrices["dit/x/kernel"][part], value)
    np.testing.assert_array_equal(found.added["dit"]["until_embed"]["bias"], np.ones(3))
    assert {path.name for path in tmp_path.iterdir()} == {"a.safetensors", "sha256.json"}


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
    save_file({"dit/x/lora_a": np.ones(2)}, path, metadata={"scale": "1.0", "form": "round"})
    with pytest.raises(ValueError, match="form 'round', expected one of"):
        load_adapters(path)
    with pytest.raises(ValueError, match="bias: 1 of 1 numbers"):
        save_adapters(path, Adapters(MATRICES, 1.0, {"bias": np.array([np.nan])}))
