"""Thirty kills at random moments over the commands that write: the same bytes as without.

Minutes, so it is not part of `make test`: python -m pytest -m slow tests/e2e/test_kills.py.
`tests/train/test_ten_kills.py` does it to a training.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audiogen_jax.files.content_hashes import HASHES

WORDS = sorted((Path(__file__).parent.parent / "clips/words").rglob("*.flac"))
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
APPENDED = ("manifest.jsonl", "errors.jsonl")
"""Files that grow: after a kill they hold the first of their bytes."""

PROGRAM = """
import os, sys, threading, time
from audiogen_jax.checkpoints import convert  # long imports, before the clock starts
from audiogen_jax.cli import main
from audiogen_jax.jobs import encode_latents, generate_clips
seconds, number, start = float(sys.argv[1]), int(sys.argv[2]), time.monotonic()
if number:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
try:
    main(sys.argv[3:])
finally:
    print(time.monotonic() - start)
"""


def generate(folder: Path, checkpoint: Path, place: Path) -> list[str]:
    options = ["--steps", "2", "--duration", "2", "--plot", "--checkpoint", str(checkpoint)]
    command = ["generate", "<|caption|> rain", "-o", str(place / "rain.flac"), *options]
    return [*command, "--overwrite"]  # killed between the clip and its picture


def batch(folder: Path, checkpoint: Path, place: Path) -> list[str]:
    rows = [{"id": f"狗 {i:02}", "caption": f"rain {i}"} for i in range(60)] + [{"id": "bad"}]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["--steps", "2", "--duration", "0.4", "--batch-size", "4"]
    command = ["batch", str(folder / "prompts.jsonl"), "-o", str(place), *options]
    return [*command, "--checkpoint", str(checkpoint)]


def encode_dataset(folder: Path, checkpoint: Path, place: Path) -> list[str]:
    rows = [
        {"audio_id": f"{i:03}", "path": str(WORDS[i % len(WORDS)]), "duration": 1, "caption": "x"}
        for i in range(90)
    ]
    rows[17]["path"] = "gone.flac"
    (folder / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["--shard-size", "4", "--batch-size", "4", "--checkpoint", str(checkpoint)]
    return ["encode-dataset", str(folder / "clips.jsonl"), "-o", str(place), *options]


def convert(folder: Path, checkpoint: Path, place: Path) -> list[str]:
    return ["convert", str(checkpoint), str(place / "converted"), "--dtype", "bfloat16"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    # One device, and compiled code that all starts share.
    cache = tmp_path_factory.mktemp("compiled")
    return os.environ | {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(cache)}


def contents(place: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file()
    }


def check_whole(place: Path, expected: dict[str, bytes]) -> None:
    """Nothing half-written stands under a final name."""
    for name, found in contents(place).items():
        if any(part.startswith(".") for part in Path(name).parts):
            continue
        growing = name in APPENDED and expected[name].startswith(found)
        if name == HASHES:  # written anew, with more in it
            growing = json.loads(found).items() <= json.loads(expected[name]).items()
        assert growing or found == expected[name], f"{name} is not whole"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "kills"),
    [(generate, 7), (batch, 8), (encode_dataset, 8), (convert, 7)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_kills(tmp_path, environment, tiny_checkpoint, command: Callable, kills: int):
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def run(place: Path, seconds: float = 0.0, number: int = 0) -> subprocess.CompletedProcess:
        place.mkdir(exist_ok=True)
        arguments = command(tmp_path, tiny_checkpoint, place)
        start = [sys.executable, "-c", PROGRAM, str(seconds), str(number), *arguments]
        return subprocess.run(start, env=environment, capture_output=True, text=True)

    run(tmp_path / "compiling")
    timed = run(whole)
    duration, expected = float(timed.stdout.splitlines()[-1]), contents(whole)
    assert expected, timed.stderr

    rng, ended = random.Random(command.__name__), []
    for _ in range(kills):
        number = rng.choice(SIGNALS)
        stopped = run(killed, rng.uniform(0.0, duration), number)
        ended.append((number.name, stopped.returncode))
        check_whole(killed, expected)
        if contents(killed) == expected:  # it came too late: once more from the start
            shutil.rmtree(killed)
    print(f"killed {ended} within {duration:.1f} s")
    last = run(killed)
    assert last.returncode == timed.returncode, last.stderr
    found = contents(killed)
    digests = [
        {name: hashlib.sha256(each).hexdigest() for name, each in files.items()}
        for files in (found, expected)
    ]
    assert digests[0] == digests[1]
    assert not [path for path in killed.rglob(".*")], "litter"
