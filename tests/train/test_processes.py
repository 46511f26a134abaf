"""Two real processes of four devices each against one process, in the same 20 steps."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from audiogen_jax.train.loop import train
from tests.train.conftest import ROOT, metrics_rows

STEPS = ("steps=20", "log_every=1", "checkpoint_every=10", "eval.batches=1", "eval.every=20")
FSDP = ("mesh.data=2", "mesh.fsdp=4", "sharding=fsdp")
HOSTS = ("mesh.data=1", "mesh.fsdp=4", "mesh.dcn_data=2", "sharding=fsdp")


def overrides_of(config) -> list[str]:
    """What the smoke config takes from the test's own files, as command line options."""
    return [
        f"data.manifests={tuple(map(tuple, config.data.manifests))!r}",
        f"data.text_tokenizer={config.data.text_tokenizer}",
        f"tokenizer={config.tokenizer}",
    ]


def run_two(config, workdir: Path, *overrides: str) -> None:
    """Runs `audiogen train --distributed` in two processes until both have ended well."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    arguments = ["--config", f"{ROOT}/configs/nano_generator.py:smoke", "--workdir", str(workdir)]
    for override in (*overrides_of(config), *overrides):
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


@pytest.fixture(scope="module")
def one_device(smoke, tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("one_device")
    train(smoke("generator", *STEPS, "mesh.data=1"), workdir)
    return workdir


def test_eight_devices(smoke, one_device, tmp_path):
    train(smoke("generator", *STEPS, *FSDP), tmp_path)
    assert_same(tmp_path, one_device)


def test_two_processes_stop_and_go_on_in_one(smoke, one_device, tmp_path):
    """Ten steps in two processes, the other ten in one: metrics of one device all along."""
    config = smoke("generator")
    run_two(config, tmp_path, *STEPS, *HOSTS, "max_seconds=1e-9")  # they agree every ten steps
    assert len(metrics_rows(tmp_path)) == 10
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"10"}
    train(smoke("generator", *STEPS, "mesh.data=4"), tmp_path)
    assert_same(tmp_path, one_device)
    assert (tmp_path / "export" / "model.safetensors").is_file()
