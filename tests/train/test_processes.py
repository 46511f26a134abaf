"""Two real processes of four devices each against one process, in the same 20 steps."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from audiogen_jax.train.loop import train_model
from tests.train.conftest import ROOT, metrics_rows

STEPS = ("steps=20", "log_every=1", "checkpoint_every=10", "eval.batches=1", "eval.every=20")
STAGES = ["encoder", pytest.param("generator", marks=pytest.mark.slow)]
FSDP = ("mesh.data=2", "mesh.fsdp=4", "sharding=fsdp")
HOSTS = ("mesh.data=1", "mesh.fsdp=4", "mesh.dcn_data=2", "sharding=fsdp")


def run_two(stage: str, config, workdir: Path, *overrides: str) -> None:
    """Runs `audiogen train --distributed` in two processes until both have ended well."""
    own = [f"data.manifests={tuple(map(tuple, config.data.manifests))!r}"]
    if stage == "generator":
        own += [
            f"data.text_tokenizer={config.data.text_tokenizer}",
            f"tokenizer={config.tokenizer}",
        ]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    arguments = ["--config", f"{ROOT}/configs/nano_{stage}.py:smoke", "--workdir", str(workdir)]
    for override in (*own, *overrides):
        arguments += ["--set", override]
    processes = []
    for index in range(2):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": "4",
            "JAX_DEFAULT_MATMUL_PRECISION": "highest",
            "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache" / f"jax_process_{index}"),
            "JAX_COORDINATOR_ADDRESS": address,
            "JAX_NUM_PROCESSES": "2",
            "JAX_PROCESS_ID": str(index),
        }
        command = [sys.executable, "-m", "launch.train", "--distributed", *arguments]
        processes.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        )
    outputs = [process.communicate(timeout=300)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)


def assert_same(found: Path, expected: Path) -> None:
    rows = metrics_rows(found), metrics_rows(expected)
    assert len(rows[0]) == len(rows[1]) == 20
    for one, many in zip(*rows, strict=True):
        assert one.keys() == many.keys()
        assert one["loss"] == pytest.approx(many["loss"], rel=1e-5)
        assert one["gradient_norm"] == pytest.approx(many["gradient_norm"], rel=1e-4)


@pytest.mark.parametrize("stage", STAGES)
def test_processes_and_devices_agree(smoke, tmp_path, stage: str):
    """One device; eight; two processes of four, stopped after ten steps, and four after that."""
    one, eight, moved = (tmp_path / name for name in ("one", "eight", "moved"))
    train_model(smoke(stage, *STEPS, "mesh.data=1"), one)
    train_model(smoke(stage, *STEPS, *FSDP), eight)
    assert_same(eight, one)
    # Processes agree to stop every ten steps.
    run_two(stage, smoke(stage), moved, *STEPS, *HOSTS, "max_seconds=1e-9")
    assert len(metrics_rows(moved)) == 10
    assert {path.name for path in (moved / "checkpoints").iterdir()} == {"10"}
    train_model(smoke(stage, *STEPS, "mesh.data=4"), moved)
    assert_same(moved, one)
    assert (moved / "export" / "model.safetensors").is_file()
