"""Every config file names real fields and its smoke variant is small."""

from pathlib import Path

import pytest

from audiogen_jax.config import AudioGenConfig, T5Config, TokenizerConfig
from audiogen_jax.input.pipeline import DataConfig
from audiogen_jax.train.config import load_config
from audiogen_jax.train.loop import OBJECTIVES

FILES = sorted((Path(__file__).parents[2] / "configs").glob("nano_*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("arg", ["", ":smoke"])
def test_fields(path: Path, arg: str):
    config = load_config(f"{path}{arg}")
    assert config.objective in OBJECTIVES
    DataConfig(**config.data)
    sizes = config.get("model", {})
    for name, kind in (
        ("tokenizer", TokenizerConfig),
        ("audiogen", AudioGenConfig),
        ("text_encoder", T5Config),
    ):
        if name in sizes:
            kind(**sizes[name])
    assert f"configs/{path.name}" in path.read_text(), "the docstring holds the command"
    if arg:
        assert config.steps == 2


def test_there_are_three():
    assert [path.stem for path in FILES] == ["nano_encoder", "nano_generator", "nano_tokenizer"]
