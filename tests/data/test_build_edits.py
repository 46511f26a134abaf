import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.files.audio import read_audio
from audiogen_jax.files.jsonl import read_appended_rows, read_rows
from audiogen_jax.files.lock import locked
from audiogen_jax.input.edits.manifest import read_pairs
from audiogen_jax.jobs.job import Share
from data import edit_shards
from data.build_edits import edit_config, main
from data.edit_shards import DROPPED, PAIRS, ShardBuilder, build_shards
from data.mixed_edits import MixedEdits

ROOT = Path(__file__).parent.parent.parent
COUNTS = {"train": 10, "val": 3}


@pytest.fixture(scope="module")
def arguments(singles) -> list[str]:
    counts = [f"--{split}={count}" for split, count in COUNTS.items()]
    return [str(singles), *counts, "--seconds=1.5", "--shard-size=4", "--stems", "--seed=3"]


@pytest.fixture(scope="module")
def job(singles) -> MixedEdits:
    config = edit_config([str(singles)], None)
    return MixedEdits(config=config, counts=COUNTS, seconds=1.5, shard_size=4, stems=True, seed=3)


@pytest.fixture(scope="module")
def whole(arguments, tmp_path_factory) -> Path:
    """The pairs of a run that nobody stopped."""
    out = tmp_path_factory.mktemp("whole") / "edits"
    main(["--out", str(out), *arguments])
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_pairs_are_read_back_and_hold_what_they_say(whole):
    records = read_pairs(whole / PAIRS)
    assert [record.split for record in records] == ["train"] * 10 + ["val"] * 3
    assert len({path.name for path in whole.iterdir()} - {PAIRS, DROPPED, "job.json"}) == 4
    step = 2**-15
    for record in records:
        source, target, event = (
            read_audio(path).samples for path in (record.source, record.target, record.event)
        )
        assert len(source) == len(target) == 24000 and record.duration == 1.5
        assert record.what and record.what in record.instruction or record.kind != "add"
        assert record.negative == (not event.any()) == (record.span is None)
        if record.kind == "add":
            source, target = target, source
        if record.kind == "extract":
            np.testing.assert_array_equal(target, event)
        elif record.kind == "restyle":
            replacement = read_audio(record.replacement).samples
            np.testing.assert_allclose(source - event, target - replacement, atol=2.1 * step)
        else:
            np.testing.assert_allclose(source - event, target, atol=1.6 * step)


def test_licences_and_sources_are_named(whole):
    for row in read_rows(whole / PAIRS):
        assert row["license"] in ("CC0-1.0", "CC-BY-3.0", "CC-BY-4.0") or "SA" in row["license"]
        assert {"background"} <= {source["role"] for source in row["sources"]}
        assert all(source["author"] for source in row["sources"])


def test_shares_and_another_order_make_the_same_bytes(whole, job, tmp_path):
    assert "2 shards of other shares are missing" in build_shards(job, tmp_path, Share(1, 2))
    assert not (tmp_path / PAIRS).exists()
    assert build_shards(job, tmp_path, Share(0, 2)).endswith("pairs.jsonl: 13 pairs")
    assert contents(tmp_path) == contents(whole)


def test_what_is_stopped_between_two_writes_goes_on(whole, job, tmp_path, monkeypatch):
    """A file of the pair on its way is there, and half of a row is, too."""
    calls = 0

    def full(path: Path, contents: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise OSError("no space left")
        path.write_bytes(contents)

    monkeypatch.setattr(edit_shards, "write_synced", full)
    with pytest.raises(OSError, match="no space left"):
        build_shards(job, tmp_path)
    with (tmp_path / ".part-00000" / "shard.jsonl").open("ab") as file:
        file.write(b'{"split": "tra')
    build_shards(job, tmp_path)
    assert contents(tmp_path) == contents(whole)


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_kill_loses_and_repeats_nothing(whole, arguments, tmp_path, processes):
    """Of the first process, whether it makes shards itself or has others that do."""
    command = [sys.executable, "-m", "data.build_edits", "--out", str(tmp_path), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    process = subprocess.Popen([*command, f"--processes={processes}"], env=environment)

    def rows() -> list[Path]:
        return [*tmp_path.glob("*/shard.jsonl")]

    deadline = time.monotonic() + 120
    while not rows() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    made = {path.name: path.stat().st_mtime_ns for path in of_rows(rows())}
    while time.monotonic() < deadline:
        try:
            main(["--out", str(tmp_path), *arguments])
            break
        except SystemExit:  # the others end by themselves, and give their locks back
            time.sleep(0.1)
    assert contents(tmp_path) == contents(whole)
    paths = {path.name: path for path in tmp_path.glob("*/*.flac")}
    assert made and made == {name: paths[name].stat().st_mtime_ns for name in made}


def of_rows(manifests: list[Path]) -> Iterator[Path]:
    """The files of the pairs that are done."""
    for manifest in manifests:
        for item in read_appended_rows(manifest):
            for row in item["pairs"]:
                yield from (manifest.parent / row[name] for name in ("input", "output", "event"))


def test_one_shard_is_made_by_one_process(job, tmp_path):
    builder, shard = ShardBuilder(job, tmp_path), job.shards()[0]
    with locked(tmp_path / ".lock-00000", "busy"):
        with pytest.raises(OSError, match="00000: another process is making this shard"):
            builder.build(shard)


def test_settings_and_weights(singles, tmp_path):
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"snr": [0, 6], "kinds": {"add": 1}}))
    config = edit_config([f"{singles}=2.5"], settings)
    assert config.manifests == ((str(singles), 2.5),)
    assert config.snr == (0.0, 6.0) and config.kinds == {"add": 1.0}
    with pytest.raises(ValueError, match="a=b: expected PATH or PATH=WEIGHT"):
        edit_config(["a=b"], None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--seed=4"], "belongs to another job: seed was 3 and is 4"),
        (["--share=2/2"], "share '2/2'"),
        (["--train=0", "--val=0"], "no pairs are asked for"),
        (["--seconds=0.2"], "seconds=0.2: no pair fits"),
        (["--shard-size=0"], "shard_size=0"),
        (["--settings=missing.json"], "no file at missing.json"),
    ],
)
def test_what_cannot_be_made_is_one_line(whole, arguments, change, message, tmp_path, capsys):
    out = whole if "seed" in change[0] else tmp_path
    with pytest.raises(SystemExit) as stopped:
        main(["--out", str(out), *arguments, *change])
    error = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and message in error and "\n" not in error
