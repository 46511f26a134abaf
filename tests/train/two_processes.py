"""`audiogen train --distributed` in two real processes of four devices each."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.train.conftest import ROOT


def start_two(
    stage: str,
    config,
    workdir: Path,
    *overrides: str,
    programs: Sequence[Sequence[str]] = (("-m", "launch.train"),) * 2,
    variables: Mapping[str, str] | None = None,
) -> list[subprocess.Popen]:
    """Starts both.

    Args:
      stage: whose smoke config.
      config: what names the data.
      workdir: common to both.
      overrides: of the config.
      programs: what the interpreter of each runs.
      variables: of the environment.
    """
    data = [f"data.manifests={tuple(map(tuple, config.data.manifests))!r}"]
    if stage == "generator":
        data += [
            f"data.text_tokenizer={config.data.text_tokenizer}",
            f"tokenizer={config.tokenizer}",
        ]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    arguments = ["--config", f"{ROOT}/configs/nano_{stage}.py:smoke", "--workdir", str(workdir)]
    for override in (*data, *overrides):
        arguments += ["--set", override]
    processes = []
    for index, program in enumerate(programs):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": "4",
            "JAX_DEFAULT_MATMUL_PRECISION": "highest",
            "JAX_TRACEBACK_IN_LOCATIONS_LIMIT": "0",
            "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache" / f"jax_process_{index}"),
            "JAX_COORDINATOR_ADDRESS": address,
            "JAX_NUM_PROCESSES": str(len(programs)),
            "JAX_PROCESS_ID": str(index),
            **(variables or {}),
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, *program, "--distributed", *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
    return processes
