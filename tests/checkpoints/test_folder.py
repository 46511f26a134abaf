"""Checkpoint folders: opened once each, whoever reads from them."""

import sys
from pathlib import Path

import pytest

from audiogen_jax.checkpoints.convert import convert_checkpoint
from audiogen_jax.checkpoints.folder import CheckpointFolder, open_checkpoint
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.pipeline import Pipeline
from tests.parity.golden import FOLDER

OPENED: list[str] = []


def note(event: str, arguments: tuple) -> None:
    if event != "open" or arguments[1] != "r":
        return
    path = Path(str(arguments[0]))
    if path.name == "config.json" and "copy" not in path.parts:  # what is written is hashed
        OPENED.append(path.parent.name)


sys.addaudithook(note)


@pytest.fixture(params=["hf", "orbax"])
def generator(request, tmp_path, tiny_checkpoint) -> Path:
    """A generator whose three folders are called generator, text_encoder and tokenizer."""
    convert_checkpoint(tiny_checkpoint, tmp_path / "generator", format=request.param)
    OPENED.clear()
    return tmp_path / "generator"


def test_each_config_is_read_once(generator, tmp_path):
    Pipeline.load(generator)
    assert sorted(OPENED) == ["generator", "text_encoder", "tokenizer"]
    OPENED.clear()
    Codec.load(generator)
    assert sorted(OPENED) == ["generator", "tokenizer"]
    OPENED.clear()
    Codec.load(generator / "tokenizer")
    assert OPENED == ["tokenizer"]
    OPENED.clear()
    convert_checkpoint(generator, tmp_path / "copy")
    assert sorted(OPENED) == ["generator", "text_encoder", "tokenizer"]


def test_weights_are_opened_when_asked_for(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    opened = open_checkpoint(tmp_path)
    assert opened.model_type == "t5"
    with pytest.raises(FileNotFoundError, match="no weights at"):
        opened.tensors  # noqa: B018


def test_parts():
    opened = CheckpointFolder(FOLDER / "audiogen_tiny")
    assert opened.component("tokenizer_name", "unused").model_type == "dashengtokenizer"
    with pytest.raises(ValueError, match="config.json: absent='nowhere' is no checkpoint folder"):
        opened.component("absent", "nowhere")


def test_a_folder_without_a_config(tmp_path):
    with pytest.raises(FileNotFoundError, match="no configuration at"):
        CheckpointFolder(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match=r"config.json: expected a JSON object, got '\[\]'"):
        CheckpointFolder(tmp_path)
