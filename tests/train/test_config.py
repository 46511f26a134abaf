"""Config files, their arguments and their overrides."""

import shutil
from pathlib import Path

import pytest

from audiogen_jax.train import config as config_module
from audiogen_jax.train.config import FOLDERS, load_config, packaged_configs

CONFIGS = Path(__file__).parents[2] / "configs"
CONFIG = str(CONFIGS / "nano_encoder.py")


def test_overrides():
    config = load_config(
        CONFIG, ["optimizer.learning_rate=1e-4", "data.batch_sizes=(4,)", "max_seconds=60"]
    )
    assert config.optimizer.learning_rate == 1e-4
    assert config.data.batch_sizes == (4,)
    assert config.max_seconds == 60.0


def test_what_may_be_unset():
    config = load_config("nano_generator", ["tokenizer=1234", "init=", "remat=nothing_saveable"])
    assert (config.tokenizer, config.init, config.text_encoder) == ("1234", None, None)
    assert config.remat == "nothing_saveable"


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


def test_packaged_configs_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("nano_encoder:smoke") == load_config(f"{CONFIG}:smoke")
    assert load_config("base:lora").model.audiogen.dit_depth == 12  # made from the one beside it
    expected = {path.stem for path in CONFIGS.glob("*.py")} - {"__init__", "common"}
    assert set(packaged_configs()) == expected
    (tmp_path / "nano_encoder").write_text("")  # a file comes before a name
    with pytest.raises(ValueError, match="'nano_encoder' is no Python file"):
        load_config("nano_encoder")


def test_an_installed_package_has_its_own(tmp_path, monkeypatch):
    shutil.copytree(CONFIGS, tmp_path / "configs")
    monkeypatch.setattr(config_module, "FOLDERS", (tmp_path / "configs", tmp_path / "none"))
    assert load_config("small:smoke").steps == 2
    assert FOLDERS[0].parent.name == "audiogen_jax"


def test_a_config_of_ones_own(tmp_path):
    (tmp_path / "my-own.v2.py").write_text(
        "from audiogen_jax.train.config import load_config\n"
        "from . import numbers\n"
        "def get_config(arg):\n"
        "    return load_config('nano_encoder:smoke', [f'steps={numbers.STEPS}'])\n"
    )
    (tmp_path / "numbers.py").write_text("STEPS = 7")
    assert load_config(str(tmp_path / "my-own.v2.py")).steps == 7


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing.py.*packaged configs are .*'xl'"):
        load_config("nothing.py")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="no function get_config"):
        load_config(str(tmp_path / "empty.py"))
