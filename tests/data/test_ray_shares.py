"""Jobs on Ray, in a cluster that is this machine; without Ray, what can be known without it."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.build_edits import main as build_edits
from launch.ray_shares import main, run_share, split_command
from tests.data.test_build_edits import contents

ROOT = Path(__file__).parents[2]


def test_commands_that_have_shares():
    assert split_command(["audiogen", "batch", "a.jsonl"]) == (
        "audiogen_jax.cli",
        ["batch", "a.jsonl"],
    )
    assert split_command(["python", "-m", "data.build_edits"]) == ("data.build_edits", [])
    with pytest.raises(ValueError, match="'ls': expected 'audiogen ...' or"):
        split_command(["ls"])


def test_a_share_that_ends_with_an_error(capsys, tmp_path):
    command = ["python", "-m", "data.build_edits", "--out", str(tmp_path), "missing.jsonl"]
    assert run_share(command, "1/3").startswith("share 1/3 of python -m data.build_edits")
    assert "missing.jsonl" in capsys.readouterr().err


@pytest.mark.skipif(bool(importlib.util.find_spec("ray")), reason="Ray is installed")
def test_without_ray(capsys):
    with pytest.raises(SystemExit):
        main(["--", "audiogen", "batch", "a.jsonl"])
    assert "pip install 'audiogen-jax[ray]'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="needs Ray")
def test_a_lost_worker_costs_nothing(singles, tmp_path):
    """It is killed at its first shard; what is there then stays, and the rest is made."""
    arguments = [str(singles), "--train=40", "--seconds=1.5", "--shard-size=4"]
    build_edits(["--out", str(tmp_path / "whole"), *arguments])
    out = tmp_path / "out"
    command = ["python", "-m", "data.build_edits", "--out", str(out), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    launcher = [sys.executable, "-m", "launch.ray_shares", "--shares", "2", "--cpus", "1", "--"]
    process = subprocess.Popen(
        [*launcher, *command],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    made: dict[str, int] = {}
    lines = []
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.append(line)
            said = re.search(r"pid=(\d+).*4 made", line)
            if said and not made:
                os.kill(int(said[1]), signal.SIGKILL)
                made = {path.name: path.stat().st_mtime_ns for path in out.glob("0*/*.flac")}
    assert process.wait() == 0, "".join(lines)
    assert contents(out) == contents(tmp_path / "whole")
    paths = {path.name: path for path in out.glob("0*/*.flac")}
    assert made == {name: paths[name].stat().st_mtime_ns for name in made}
    assert made and len(made) < 80
