"""A training that is stopped, terminated or killed goes on as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audiogen_jax.sharding.stop import UNFINISHED
from audiogen_jax.train.loop import train_model
from tests.train.conftest import ROOT, metrics_rows

KILLED_WHILE_SAVING = """
import os, signal, sys
from orbax.checkpoint import JsonCheckpointHandler
write, writes = JsonCheckpointHandler._save_fn, []
async def write_and_die(*args, **kwargs):
    await write(*args, **kwargs)
    writes.append(args)
    if len(writes) == 5:  # two files a checkpoint: in the middle of the third
        os.kill(os.getpid(), signal.SIGKILL)
JsonCheckpointHandler._save_fn = write_and_die
from audiogen_jax.cli import main
main(["train", *sys.argv[1:]])
"""


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["encoder", "tokenizer", "generator"])
def test_stopped_by_the_clock(smoke, trained, tmp_path, stage: str):
    whole, _ = trained(stage)
    config = smoke(stage, "max_seconds=1e-9")  # stops after one step
    train_model(config, tmp_path)
    assert [row["step"] for row in metrics_rows(tmp_path)] == [1]
    train_model(config, tmp_path)
    assert metrics_rows(tmp_path) == metrics_rows(whole)


def command(config, workdir: Path, *overrides: str) -> list[str]:
    """Arguments of `launch.train` for the encoder's smoke config on the clips."""
    manifests = f"data.manifests={tuple(map(tuple, config.data.manifests))!r}"
    arguments = ["--config", f"{ROOT}/configs/nano_encoder.py:smoke", "--workdir", str(workdir)]
    for override in (manifests, *overrides):
        arguments += ["--set", override]
    return arguments


def environment() -> dict[str, str]:
    cache = ROOT / ".pytest_cache" / "jax_subprocess"
    return {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_sigterm(smoke, tmp_path):
    config = smoke("encoder")
    steps = ("steps=100", "eval.batches=0", "checkpoint_every=1000")

    def launch(name: str, *more: str) -> subprocess.Popen:
        arguments = command(config, tmp_path / name, *steps, *more)
        return subprocess.Popen(
            [sys.executable, "-m", "launch.train", *arguments], env=environment()
        )

    stopped = launch("stopped")
    metrics = tmp_path / "stopped" / "metrics.jsonl"
    while stopped.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") > 9):
        time.sleep(0.01)
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(timeout=300) == UNFINISHED
    done = len(metrics_rows(tmp_path / "stopped"))
    assert 9 < done < 100
    assert (tmp_path / "stopped" / "checkpoints" / str(done)).is_dir()

    assert launch("stopped").wait(timeout=300) == 0
    assert launch("whole").wait(timeout=300) == 0
    assert metrics_rows(tmp_path / "stopped") == metrics_rows(tmp_path / "whole")


@pytest.mark.slow
def test_killed_while_saving(smoke, tmp_path):
    config = smoke("encoder")
    options = ("steps=6", "eval.batches=0", "checkpoint_every=1")
    arguments = command(config, tmp_path / "killed", *options)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, *arguments], env=environment(), timeout=300
    )
    assert killed.returncode == -signal.SIGKILL
    names = {path.name for path in (tmp_path / "killed" / "checkpoints").iterdir()}
    assert "3" not in names and any(name.startswith("3.") for name in names)  # half-written

    for name in ("killed", "whole"):
        arguments = command(config, tmp_path / name, *options)
        run = [sys.executable, "-m", "launch.train", *arguments]
        subprocess.run(run, env=environment(), timeout=300, check=True)
    assert metrics_rows(tmp_path / "killed") == metrics_rows(tmp_path / "whole")
    names = {path.name for path in (tmp_path / "killed" / "checkpoints").iterdir()}
    assert names == {"5", "6"}  # the last two, nothing half-written
