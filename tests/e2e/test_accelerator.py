"""The benchmark that waits for an accelerator is rehearsed at a small size on the CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import accelerator, accelerator_part
from tests.benchmarks.accelerator import PARTS, ratios, run_part

ROOT = Path(__file__).parents[2]
BARE = """
import importlib.util, runpy, sys
absent = "soundfile grain typer jaxtyping lazy_loader safetensors ml_collections librosa".split()
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in absent else find_spec(name, *rest)
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in absent:
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
runpy.run_module("tests.benchmarks.accelerator_jax", run_name="__main__", alter_sys=True)
"""
"""Runs a part where what a lent machine lacks cannot be imported."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_rehearsal(tmp_path, name: str):
    """Each part, as it runs on the machine; torch may be absent, and the result says so."""
    result = run_part(PARTS[name], "small", 200, tmp_path)
    if "error" in result:
        assert "PyTorch" in name and "torch is not installed" in result["error"], result
        return
    keys = {"first_clip_seconds"} if "generate" in name else {"step_seconds", "peak_bytes"}
    assert keys < result.keys()
    assert result["environment"]


def bare(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BARE, *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_bare_imports(tmp_path):
    """Ours imports jax, flax, optax and numpy alone; everything else is refused."""
    bare("nothing", "small", str(tmp_path / "result.json"))
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["stood_in_for"] == ["jaxtyping", "lazy_loader"]


@pytest.mark.slow
@pytest.mark.parametrize("function", ["train_xla", "generate"])
def test_bare(tmp_path, function: str):
    bare(function, "small", str(tmp_path / "result.json"))
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["environment"]["stood_in_for"] == ["jaxtyping", "lazy_loader"]
    assert result["peak_bytes"] > 0


def test_late_part_keeps_what_it_has(monkeypatch, tmp_path):
    def late(command, **options):
        Path(command[-1]).write_text('{"step_seconds": 1.5}')
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(accelerator.subprocess, "run", late)
    result = run_part(PARTS["generate"], "small", 7, tmp_path)
    assert result["step_seconds"] == 1.5 and result["error"] == "not done after 7 s"


def test_ratios():
    names = list(PARTS)
    found = ratios(
        {
            names[0]: {"step_seconds": 1.0, "peak_bytes": 3},
            names[1]: {"step_seconds": 4.0, "error": "not done after 110 s"},
            names[4]: {"error": "no time was left"},
        }
    )
    assert found == {"train step: ours with cuDNN / PyTorch": 0.25}


def test_the_parts_fit_in_nine_minutes():
    assert sum(part.seconds for part in PARTS.values()) <= accelerator.TOTAL_SECONDS < 540
    assert set(accelerator_part.SIZES) == {"full", "small"}
