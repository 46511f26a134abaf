"""Every config file names real fields and its smoke variant is small."""

from pathlib import Path

import jax
import pytest

from audiogen_jax.sharding.placement import PRESETS
from audiogen_jax.train.config import load_config
from audiogen_jax.train.objectives.flow_matching import FlowMatching
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig
from audiogen_jax.train.stages import parse_config

FOLDER = Path(__file__).parents[2] / "configs"
ARGUMENTS = {
    "nano_encoder": ("", "smoke"),
    "nano_tokenizer": ("", "mel", "smoke"),
    "nano_generator": ("", "speech", "balanced", "smoke"),
    "nano_few_steps": ("", "flow_map"),
    "nano_editor": ("", "smoke"),
    "nano_separator": ("", "smoke"),
    "xl": ("", "finetune", "lora", "few_steps", "smoke"),
    "base": ("", "finetune", "lora", "few_steps", "smoke"),
    "small": ("", "finetune", "lora", "few_steps", "smoke"),
    "finetune": ("", "lora"),
    "omni": ("", "paper", "small", "one_gpu", "finetune", "smoke"),
    "encoder": ("xl", "base", "small"),
    "tokenizer": ("xl", "base", "small"),
}
CASES = [(name, arg) for name, arguments in ARGUMENTS.items() for arg in arguments]


@pytest.mark.parametrize(("name", "arg"), CASES)
def test_fields(name: str, arg: str):
    needs = ["init.encoder=folder"] if "tokenizer" in name else []
    if arg in ("few_steps", "speech", "balanced") or name in (
        "nano_few_steps",
        "nano_editor",
        "nano_separator",
    ):
        needs = ["init=nano"]
    if name == "finetune" or arg in ("finetune", "lora"):
        needs = ["init=nano"] if name == "omni" else ["init=nano", "data=clips.jsonl"]
    config = load_config(f"{FOLDER / name}.py" + (f":{arg}" if arg else ""), needs)
    settings = parse_config(config)
    assert settings.sharding in PRESETS
    if isinstance(settings, FlowMatchingConfig) and settings.model is not None:  # else of `init`
        settings.make_generator()
    assert f"--config {name}" in (FOLDER / f"{name}.py").read_text(), "it holds the command"
    if arg == "smoke":
        assert config.steps == 2


def test_one_gpu_keeps_half_of_a_moment_and_no_average():
    """Ten bytes for each parameter instead of sixteen."""
    settings = parse_config(load_config(f"{FOLDER / 'omni'}.py:one_gpu"))
    objective = FlowMatching.without_parameters(settings)
    state = jax.eval_shape(objective.init_state, jax.random.key(0))
    kept = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state.opt_state))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    assert state.ema is None and kept / parameters == pytest.approx(6, abs=0.01)
    assert parameters > 3e9


@pytest.mark.parametrize("name", ARGUMENTS)
def test_unknown_arguments(name: str):
    with pytest.raises(ValueError, match="unknown config argument 'huge'"):
        load_config(f"{FOLDER / name}.py:huge")


def test_every_config_is_tested():
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "common"} == set(ARGUMENTS)


def test_published_schedule():
    config = load_config(f"{FOLDER / 'xl'}.py")
    assert (config.steps, config.data.batch_sizes) == (800_000, (256,))
    assert (config.optimizer.learning_rate, config.data.view_dropout) == (5e-4, 0.2)
