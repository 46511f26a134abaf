"""kill -9 in the middle of an encoding job, several times; then the same dataset."""

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

from audiogen_jax.input.latent_dataset import LatentDataset

CLIPS = sorted((Path(__file__).parent.parent / "clips/words").rglob("*.flac"))
COUNT = 240
SHARD_SIZE = 4
KILLS = 2


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    # One device, and compiled code that all starts share.
    cache = tmp_path_factory.mktemp("compiled")
    return os.environ | {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(cache)}


def command(manifest: Path, output: Path, tokenizer: Path) -> list[str]:
    program = "from audiogen_jax.cli import main; main()"
    job = ["encode-dataset", str(manifest), "-o", str(output), "--checkpoint", str(tokenizer)]
    options = ["--shard-size", str(SHARD_SIZE), "--batch-size", "4"]
    return [sys.executable, "-c", program, *job, *options]


def shards(output: Path) -> dict[str, tuple[str, int]]:
    return {
        path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in output.glob("*.arrayrecord")
    }


@pytest.mark.slow
def test_kill(tmp_path, environment, tiny_checkpoint):
    manifest = tmp_path / "manifest.jsonl"
    rows = [
        {"audio_id": f"{i:03}", "path": str(CLIPS[i % len(CLIPS)]), "duration": 1, "caption": "x"}
        for i in range(COUNT)
    ]
    rows[17]["path"] = "gone.flac"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokenizer = tiny_checkpoint / "tokenizer"
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = subprocess.run(command(manifest, whole, tokenizer), env=environment, capture_output=True)
    assert done.returncode == 1  # one clip is gone

    rng = random.Random(0)
    total = COUNT // SHARD_SIZE
    seen: dict[str, tuple[str, int]] = {}
    for kill in range(KILLS):
        # At any moment after so many shards, anew each time.
        wanted = len(seen) + rng.randint(3, (total - len(seen)) // (KILLS + 1 - kill))
        process = subprocess.Popen(
            command(manifest, killed, tokenizer),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while len(list(killed.glob("*.arrayrecord"))) < wanted and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.02)
        assert process.poll() is None, "the job ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        before, seen = seen, shards(killed)
        assert before.items() <= seen.items(), "written twice"
        assert 0 < len(seen) < total
        assert not (killed / "dataset.json").exists()

    made = (
        COUNT
        - 1
        - sum(
            json.loads((killed / name).with_suffix(".json").read_text())["shard"]["clips"]
            for name in seen
        )
    )
    done = subprocess.run(
        command(manifest, killed, tokenizer), env=environment, capture_output=True, text=True
    )
    assert f"{COUNT - 1} of {COUNT} clips, {made} made now" in done.stdout
    assert seen.items() <= shards(killed).items(), "written twice"
    digests = [{name: found[0] for name, found in shards(f).items()} for f in (whole, killed)]
    assert len(digests[0]) == total
    assert digests[0] == digests[1]
    for name in ("dataset.json", "errors.jsonl"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    dataset = LatentDataset(killed)
    ids = {dataset.read(number).audio_id for number in range(len(dataset))}
    assert ids == {f"{i:03}" for i in range(COUNT)} - {"017"}
