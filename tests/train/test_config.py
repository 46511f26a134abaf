"""Config files, their arguments and their overrides."""

from pathlib import Path

import pytest

from audiogen_jax.train.config import load_config

CONFIG = str(Path(__file__).parents[2] / "configs" / "nano_encoder.py")


def test_overrides():
    config = load_config(
        CONFIG, ["optimizer.learning_rate=1e-4", "data.batch_sizes=(4,)", "max_seconds=60"]
    )
    assert config.optimizer.learning_rate == 1e-4
    assert config.data.batch_sizes == (4,)
    assert config.max_seconds == 60.0


def test_argument():
    assert load_config(f"{CONFIG}:smoke").steps == 2
    with pytest.raises(ValueError, match="unknown config argument 'smok'"):
        load_config(f"{CONFIG}:smok")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.learning_rat=1", "unknown config key 'optimizer.learning_rat'.*learning_rate"),
        ("optimiser.learning_rate=1", "unknown config key 'optimiser.learning_rate'"),
        ("steps.more=1", "unknown config key 'steps.more'"),
        ("steps=many", "config key 'steps': 'many' is no int"),
        ("steps", "override 'steps': expected key.path=value"),
    ],
)
def test_bad_overrides(override: str, message: str):
    with pytest.raises(ValueError, match=message):
        load_config(CONFIG, [override])


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.py"):
        load_config("nothing.py")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="no function get_config"):
        load_config(str(tmp_path / "empty.py"))
