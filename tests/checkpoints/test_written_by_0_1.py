"""Checkpoints that version 0.1 wrote load as that version loaded them, bit by bit."""

import hashlib
from pathlib import Path

import jax
import numpy as np
import pytest

from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.t5 import load_t5

FOLDER = Path(__file__).parent.parent / "written_by_0_1"
# Digests of what version 0.1 read from both formats.
GENERATOR = "aeecf71e1f791fdd9b7d94d14d8b2f36e9c8e675de013222ba0411a961ba41b9"
BLOCKS_APART = "ca6cd0c24da88cd2fcceb52bc81fba7ca12dd5145abe0a8d2270b95671fbb84e"
TEXT_ENCODER = "93273190520793483b5fd7db811c20a122559b334c6ff5e1b72154f84186ea14"
CODEC = "74a3bcc0a177474cf34abe58bacf73c35534acdde51c19600bb6207093f5b739"


def digest(params) -> str:
    sha = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(params):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        sha.update(f"{name} {leaf.shape} {leaf.dtype}\n".encode())
        sha.update(np.ascontiguousarray(leaf))
    return sha.hexdigest()


@pytest.mark.parametrize("name", ["checkpoint", "checkpoint_orbax"])
def test_parameters(name):
    opened = CheckpointFolder(FOLDER / name)
    config, params = load_audiogen(opened)
    assert config.instruction_length == 1
    assert digest(params) == GENERATOR
    assert digest(load_audiogen(opened, stacked=False)[1]) == BLOCKS_APART
    text_encoder = opened.component("text_encoder_name", config.text_encoder_name)
    assert digest(load_t5(text_encoder)[1]) == TEXT_ENCODER
    assert digest(load_tokenizer(opened.component("tokenizer_name", "tokenizer"))[1]) == CODEC
