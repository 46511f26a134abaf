"""Plans: what they say, and what they refuse."""

import json
import subprocess
import sys

import jax
import pytest

from audiogen_jax.plan.devices import find_devices
from audiogen_jax.plan.memory import DoesNotFitError, check_fits
from audiogen_jax.plan.training import plan_training
from audiogen_jax.train.config import load_config
from tests.train.conftest import ROOT


@pytest.fixture(scope="module")
def plan():
    return plan_training(load_config(f"{ROOT}/configs/xl.py:smoke", ["remat="]), "h200:8")


@pytest.mark.slow  # tests/second has a quick one
def test_a_plan_adds_up(plan):
    assert (plan["chips"], plan["chip"], plan["batch"]) == (8, "NVIDIA H200", 8)
    assert plan["mesh"] == {"data": 1, "fsdp": 8, "tensor": 1}
    assert plan["flops"]["per_chip_over_ideal"] == pytest.approx(1, abs=0.1)
    assert plan["flops"]["executed"] == plan["flops"]["model"]  # nothing is rematerialised
    assert plan["replicated"] == [] and plan["flops"]["uncounted_loops"] == []
    held = plan["memory"]["parameters_and_optimizer"]
    assert held >= 16 * plan["parameters"]["trained"] / 8  # parameter, two moments, average
    times = plan["seconds_per_step"]
    assert times["kernels"] == max(times["computing"], times["memory"])
    assert plan["hbm_bytes"] > plan["memory"]["arguments"] > held  # the state is read and written
    assert plan["bound_by"] == "links" and plan["mfu_bound"] < 0.1  # of so small a model
    assert plan["schedule"]["days_at_40_percent_mfu"] > 0
    check_fits(plan)


def test_too_large():
    memory = {"hbm": 2.0**30, "peak": 5.0 * 2**30, "working": 4.0 * 2**30, "arguments": 2.0**30}
    plan = {"topology": "h200:8", "program": "a training step", "memory": memory}
    with pytest.raises(
        DoesNotFitError, match="5.0 GiB of 1.0 GiB.*working, 4.0 GiB. Try a smaller"
    ):
        check_fits(plan)


@pytest.mark.parametrize(
    ("topology", "message"),
    [
        ("v5e", "topology='v5e': expected"),
        ("v9:4", "topology='v9:4': expected"),
        ("h200:a", "'a' is no shape"),
        ("h200:64", "only 8 devices"),
    ],
)
def test_topologies(topology: str, message: str):
    with pytest.raises(ValueError, match=message):
        find_devices(topology)


def test_batches_that_do_not_split():
    config = load_config(f"{ROOT}/configs/xl.py:smoke", ["data.batch_sizes=(12,)"])
    with pytest.raises(ValueError, match="12 clips does not split over 8 devices"):
        plan_training(config, "h200:8")


def test_only_latents():
    config = load_config(f"{ROOT}/configs/nano_generator.py:smoke")
    with pytest.raises(ValueError, match="distillation on encoded latents"):
        plan_training(config, "h200:8")


@pytest.mark.slow
def test_command_line(tmp_path):
    output = tmp_path / "plan.json"
    arguments = ["plan", "--config", f"{ROOT}/configs/xl.py:smoke", "--topology", "h200:2"]
    arguments += ["--batch", "4", "--output", str(output)]
    code = f"from audiogen_jax.cli import main; main({arguments})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(output.read_text())["batch"] == 4
    assert "a training step on 2 x NVIDIA H200, batch 4" in done.stdout
    assert jax.device_count() == 8


def test_a_tpu_that_is_not_there(tmp_path):
    """The real compiler of TPUs, on eight chips; needs the extra "tpu"."""
    pytest.importorskip("libtpu")
    output = tmp_path / "plan.json"
    # Loops of one round are unrolled, and XLA then shares what would be rematerialised.
    config = ["--config", f"{ROOT}/configs/xl.py:smoke", "--set", "remat="]
    arguments = ["plan", *config, "--topology", "v5e:2x4"]
    code = f"from audiogen_jax.cli import main; main({[*arguments, '-o', str(output)]})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    plan = json.loads(output.read_text())
    assert plan["compiled_for"] == "TPU v5 lite"
    assert plan["flops"]["per_chip_over_ideal"] == pytest.approx(1, abs=0.1)
    assert plan["replicated"] == [] and plan["flops"]["uncounted_loops"] == []
    assert 0 < plan["memory"]["peak"] < plan["memory"]["hbm"]
    times = plan["seconds_per_step"]
    assert times["kernels"] >= max(times["computing"], times["memory"]) > 0
