"""kill -9 in the middle of a batch job, several times; then the same files as without.

A minute and a half, so it is not part of `make test`: python -m pytest -m slow
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COUNT = 200
KILLS = 3
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
OPTIONS = ("--steps", "2", "--duration", "0.4", "--guidance", "2")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    # One device, and compiled code that all starts share.
    cache = tmp_path_factory.mktemp("compiled")
    return os.environ | {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(cache)}


def command(prompts: Path, output: Path) -> list[str]:
    program = "from audiogen_jax.cli import main; main()"
    return [sys.executable, "-c", program, "batch", str(prompts), "-o", str(output), *OPTIONS]


def committed(output: Path) -> int:
    manifest = output / "manifest.jsonl"
    return manifest.read_bytes().count(b"\n") if manifest.exists() else 0


def digests(output: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in output.glob("*.wav")
    }


@pytest.mark.slow
def test_kill(tmp_path, environment):
    prompts = tmp_path / "prompts.jsonl"
    rows = [
        {"audio_id": f"{i:03}", "caption": f'A man says "{WORDS[i % 10]}".', "asr": WORDS[i % 10]}
        for i in range(COUNT)
    ]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(prompts, whole), check=True, env=environment, capture_output=True)

    rng = random.Random(0)
    seen = 0
    first_bytes: dict[str, tuple[str, int]] = {}
    for kill in range(KILLS):
        # At any moment after so many clips, anew each time.
        wanted = seen + rng.randint(8, (COUNT - seen) // (KILLS + 1 - kill))
        process = subprocess.Popen(
            command(prompts, killed),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while committed(killed) < wanted and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.05)
        assert process.poll() is None, "the job ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen = committed(killed)
        assert 0 < seen < COUNT
        for path in killed.glob("*.wav"):
            stamp = (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            assert first_bytes.setdefault(path.name, stamp) == stamp, "written twice"

    done = subprocess.run(
        command(prompts, killed), check=True, env=environment, capture_output=True, text=True
    )
    assert f"{COUNT} of {COUNT} clips, {COUNT - seen} made now" in done.stdout
    for name, stamp in first_bytes.items():
        assert (killed / name).stat().st_mtime_ns == stamp[1], "written twice"
    assert len(digests(whole)) == COUNT
    assert digests(killed) == digests(whole)
    manifests = [
        [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
        for folder in (whole, killed)
    ]
    ids = [row["id"] for row in manifests[1]]
    assert len(ids) == len(set(ids)) == COUNT
    by_id = [sorted(rows, key=lambda row: row["id"]) for rows in manifests]
    assert by_id[0] == by_id[1]
