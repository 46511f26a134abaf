"""Two real processes of four devices each against one process, in the same steps."""

import re
from pathlib import Path

import pytest

from audiogen_jax.sharding.stop import UNFINISHED
from audiogen_jax.train.loop import train_model
from tests.train.conftest import metrics_rows
from tests.train.two_processes import start_two

STEPS = ("steps=20", "log_every=1", "checkpoint_every=10", "eval.batches=1", "eval.every=20")
FEW = ("steps=4", "log_every=1", "checkpoint_every=4", "eval.batches=0")
STAGES = ["encoder", pytest.param("generator", marks=pytest.mark.slow)]
FSDP = ("mesh.data=2", "mesh.fsdp=4", "sharding=fsdp")
HOSTS = ("mesh.data=1", "mesh.fsdp=4", "mesh.dcn_data=2", "sharding=fsdp")
TENSOR = ("mesh.data=2", "mesh.fsdp=2", "mesh.tensor=2", "sharding=fsdp_tp")


@pytest.fixture(scope="module")
def smoke(smoke, one_bad_clip):
    """(stage, overrides) -> its smoke config, on clips of which one cannot be read."""
    data = f"data.manifests=(({str(one_bad_clip)!r}, 1.0),)"
    return lambda stage, *overrides: smoke(stage, data, *overrides)


def run_two(stage: str, config, workdir: Path, *overrides: str, code: int = 0, **how) -> None:
    """Runs `audiogen train --distributed` in two processes until both have ended with a code."""
    processes = start_two(stage, config, workdir, *overrides, **how)
    outputs = [process.communicate(timeout=300)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [code, code], "\n".join(outputs)
    assert re.search(r"step 4 of \d+: loss", outputs[0])  # the log where there is no terminal


def assert_same(found: Path, expected: Path, steps: int = 20) -> None:
    rows = metrics_rows(found), metrics_rows(expected)
    assert len(rows[0]) == len(rows[1]) == steps
    for one, many in zip(*rows, strict=True):
        assert one.keys() == many.keys()
        assert one["replaced_clips"] == many["replaced_clips"] == 1  # of all eight, in each step
        assert one["loss"] == pytest.approx(many["loss"], rel=1e-5)
        assert one["gradient_norm"] == pytest.approx(many["gradient_norm"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["encoder", "generator"])
def test_processes_and_devices_agree(smoke, tmp_path, stage):
    """One device; eight; two processes of four, stopped after ten steps, and four after that."""
    one, eight, moved = (tmp_path / name for name in ("one", "eight", "moved"))
    train_model(smoke(stage, *STEPS, "mesh.data=1"), one)
    train_model(smoke(stage, *STEPS, *FSDP), eight)
    assert_same(eight, one)
    # Processes agree to stop every ten steps.
    run_two(stage, smoke(stage), moved, *STEPS, *HOSTS, "max_seconds=1e-9", code=UNFINISHED)
    assert len(metrics_rows(moved)) == 10
    assert {path.name for path in (moved / "checkpoints").iterdir()} == {"10"}
    train_model(smoke(stage, *STEPS, "mesh.data=4"), moved)
    assert_same(moved, one)
    assert (moved / "export" / "model.safetensors").is_file()


@pytest.mark.parametrize("stage", STAGES)
def test_devices_of_processes_mixed_on_the_mesh(smoke, tmp_path, stage):
    """Tensor parallelism across processes: each loads the rows that its devices hold."""
    programs = (("-m", "tests.train.interleaved"),) * 2
    run_two(stage, smoke(stage), tmp_path / "mixed", *FEW, *TENSOR, programs=programs)
    train_model(smoke(stage, *FEW, "mesh.data=1"), tmp_path / "one")
    assert_same(tmp_path / "mixed", tmp_path / "one", steps=4)


@pytest.mark.slow
def test_processes_agree_on_damage(smoke, tmp_path):
    """One reads the file whose bit has flipped; both go on from the checkpoint before."""
    steps = (*STEPS, *HOSTS, "checkpoint_every=5")
    run_two("encoder", smoke("encoder"), tmp_path, *steps, "max_seconds=1e-9", code=UNFINISHED)
    file = max((tmp_path / "checkpoints" / "10").rglob("*"), key=lambda path: path.stat().st_size)
    contents = bytearray(file.read_bytes())
    contents[len(contents) // 2] ^= 1
    file.write_bytes(contents)
    run_two("encoder", smoke("encoder"), tmp_path, *steps)
    assert (tmp_path / "checkpoints" / "10.damaged").is_dir()
    train_model(smoke("encoder", *STEPS, "mesh.data=1"), tmp_path / "one")
    assert_same(tmp_path, tmp_path / "one")
