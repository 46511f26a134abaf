"""Ten times kill -9 in the middle of writing a checkpoint.

Two minutes, so it is not part of `make test`: python -m pytest -m slow
"""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.train.conftest import metrics_rows
from tests.train.test_resume import command, environment

STEPS = 1200


def unfinished(workdir: Path) -> bool:
    """Is a checkpoint being written right now?"""
    return any("tmp" in path.name for path in (workdir / "checkpoints").glob("*"))


@pytest.mark.slow
def test_ten_kills(smoke, tmp_path):
    config = smoke("encoder")
    options = (f"steps={STEPS}", "eval.batches=0", "checkpoint_every=5", "log_every=1")
    rng, interrupted, saving = random.Random(0), [], 0
    workdir = tmp_path / "killed"

    def launch(folder: Path) -> subprocess.Popen:
        arguments = [sys.executable, "-m", "launch.train", *command(config, folder, *options)]
        return subprocess.Popen(arguments, env=environment())

    def lines() -> int:
        path = workdir / "metrics.jsonl"
        return path.read_text().count("\n") if path.exists() else 0

    for _ in range(10):
        process, before = launch(workdir), lines()
        while process.poll() is None and lines() <= before:
            time.sleep(0.01)
        deadline = time.monotonic() + rng.uniform(0.0, 1.5)
        while process.poll() is None and not (time.monotonic() > deadline and unfinished(workdir)):
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, 0.03))  # a write takes about so long
        saving += unfinished(workdir)
        process.kill()
        assert process.wait(timeout=60) == -9, "it ended before it could be killed: more STEPS"
        interrupted.append(lines())
    assert saving >= 5
    assert launch(workdir).wait(timeout=600) == 0
    assert launch(tmp_path / "whole").wait(timeout=600) == 0
    assert metrics_rows(workdir) == metrics_rows(tmp_path / "whole")
    print(f"killed after {interrupted} rows, {saving} times while saving")
