"""A workdir in an object store, on fsspec's file system in memory: whole files, in order."""

from pathlib import Path

import pytest

from audiogen_jax.train import workdir
from audiogen_jax.train.loop import train_model
from audiogen_jax.train.workdir import COMPLETE, Mirror, open_workdir
from tests.train.conftest import metrics_rows

URL = "memory://bucket/runs/one"


@pytest.fixture
def remote(empty_store) -> Path:
    return empty_store(URL)


def write(folder: Path, *names: str, text: str = "text") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def names(folder: Path) -> set[str]:
    start = len(str(folder)) + 1
    return {str(path)[start:] for path in folder.rglob("*") if path.is_file()}


def checkpoint(step: int) -> tuple[str, ...]:
    return tuple(f"checkpoints/{step}/{name}" for name in ("state/a", "data/b", COMPLETE))


def test_local(tmp_path):
    with open_workdir(tmp_path / "run") as (folder, checkpoints):
        assert folder == tmp_path / "run" and checkpoints == folder / "checkpoints"


def test_round_trip(remote, tmp_path):
    with open_workdir(URL) as (folder, _):
        write(folder, "metrics.jsonl", ".lock", "checkpoints/5.orbax-checkpoint-tmp/a")
        for step in (1, 2, 3):
            write(folder, *checkpoint(step))
        write(folder, "export/config.json", "export/text_encoder/config.json")
    everything = {"metrics.jsonl", "export/config.json", "export/text_encoder/config.json"}
    everything.update(*map(checkpoint, (1, 2, 3)))
    assert names(remote) == everything
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    with open_workdir(URL) as (folder, _):
        assert names(folder) == everything - {*checkpoint(1)}
        write(folder, *checkpoint(4))
        for name in checkpoint(2):
            (folder / name).unlink()
    # What was not here stays, what was and is gone goes.
    assert names(remote) == (everything | {*checkpoint(4)}) - {*checkpoint(2)}


def test_a_checkpoint_that_is_not_whole_is_not_read(remote):
    write(remote, *checkpoint(1), *checkpoint(2)[:-1], "metrics.jsonl")
    with open_workdir(URL) as (folder, _):
        assert names(folder) == {*checkpoint(1), "metrics.jsonl"}
    assert names(remote) == {*checkpoint(1), "metrics.jsonl"}


@pytest.mark.parametrize("killed_after", range(6))
def test_killed_while_uploading(remote, tmp_path, monkeypatch, killed_after: int):
    """Whatever has arrived, an export or a checkpoint that has its last file is whole."""
    export = ("export/config.json", "export/model", "export/part/config.json")
    write(tmp_path / "local", *export, text="old")
    mirror = Mirror(tmp_path / "local", remote)
    mirror.push()
    write(tmp_path / "local", *export, text="newer")
    write(tmp_path / "local", *checkpoint(7))
    put, count = type(remote.fs).put_file, []

    def dying(self, *arguments, **options):
        if len(count) == killed_after:
            raise KeyboardInterrupt
        count.append(1)
        put(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(remote.fs), "put_file", dying)
        if killed_after < 6:
            with pytest.raises(KeyboardInterrupt):
                mirror.push()
    there = names(remote)
    if "export/config.json" in there:
        assert len({(remote / name).read_text() for name in export}) == 1
    if f"checkpoints/7/{COMPLETE}" in there:
        assert {*checkpoint(7)} <= there
    mirror.push()  # a passing failure: the rest follows
    assert names(remote) == {*export, *checkpoint(7)}
    assert {(remote / name).read_text() for name in export} == {"newer"}


def test_passing_failures_are_tried_again(remote, monkeypatch, caplog):
    monkeypatch.setattr(workdir, "EVERY_SECONDS", 0.01)
    push, calls = Mirror.push, []

    def failing(self):
        calls.append(1)
        if len(calls) < 3:
            raise OSError("connection reset")
        push(self)

    monkeypatch.setattr(Mirror, "push", failing)
    with open_workdir(URL) as (folder, _):
        write(folder, "metrics.jsonl")
        while len(calls) < 4:
            workdir.threading.Event().wait(0.01)
        assert names(remote) == {"metrics.jsonl"}
    assert "not uploaded, tried again: connection reset" in caplog.text


def test_what_cannot_be_uploaded_is_kept_and_named(remote, monkeypatch):
    def failing(self):
        raise RuntimeError("no credentials")

    monkeypatch.setattr(Mirror, "push", failing)
    with pytest.raises(OSError, match=r"no credentials\); they are in (\S+): copy them") as error:
        with open_workdir(URL) as (folder, _):
            write(folder, "metrics.jsonl")
    assert str(folder) in str(error.value) and (folder / "metrics.jsonl").is_file()


def test_what_others_keep_there_is_left_alone(remote):
    write(remote, "metrics.jsonl", "other/checkpoints/1/a", "other/metrics.jsonl")
    with open_workdir(URL) as (folder, _):
        assert names(folder) == {"metrics.jsonl"}
        (folder / "metrics.jsonl").unlink()
    assert names(remote) == {"other/checkpoints/1/a", "other/metrics.jsonl"}


def test_a_store_that_cannot_be_reached(remote, monkeypatch):
    def failing(*arguments, **options):
        raise RuntimeError("no\ncredentials")

    monkeypatch.setattr(type(remote.fs), "find", failing)
    with pytest.raises(OSError, match=f"^{URL}: no credentials$"):
        with open_workdir(URL):
            pass


def test_what_was_written_before_an_error_is_uploaded(remote):
    with pytest.raises(ZeroDivisionError):
        with open_workdir(URL) as (folder, _):
            write(folder, "metrics.jsonl")
            raise ZeroDivisionError
    assert names(remote) == {"metrics.jsonl"} and not folder.exists()


def test_two_trainings(remote):
    with open_workdir(URL):
        with pytest.raises(OSError, match="another training is running there"):
            with open_workdir(URL):
                pass


@pytest.mark.parametrize("index", [0, 1])
def test_checkpoints_that_orbax_writes_alone(remote, monkeypatch, index: int):
    """By all processes; the first mirrors the rest, the others have folders of their own."""
    monkeypatch.setattr(workdir.jax, "process_count", lambda: 2)
    monkeypatch.setattr(workdir.jax, "process_index", lambda: index)
    monkeypatch.setattr(workdir, "BY_ORBAX", "memory://")
    monkeypatch.setattr(workdir.epath, "Path", str)
    write(remote, *checkpoint(1), "metrics.jsonl")
    with open_workdir(URL) as (folder, checkpoints):
        assert checkpoints == f"{URL}/checkpoints"
        assert names(folder) == ({"metrics.jsonl"} if index == 0 else set())
        write(folder, "metrics.jsonl", "export/config.json", text="newer")
    assert not folder.exists()
    if index == 0:
        assert names(remote) == {*checkpoint(1), "metrics.jsonl", "export/config.json"}
        assert (remote / "metrics.jsonl").read_text() == "newer"
    else:
        assert (remote / "metrics.jsonl").read_text() == "text"


def test_several_processes_are_refused(remote, monkeypatch):
    monkeypatch.setattr(workdir.jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="2 processes write each checkpoint together.*mount"):
        with open_workdir(URL):
            pass


@pytest.mark.slow
def test_training(remote, smoke, trained):
    """Stopped and gone on with in a store, from nothing that is left here."""
    whole, _ = trained("encoder")
    train_model(smoke("encoder", "max_seconds=1e-9"), URL)
    assert f"checkpoints/1/{COMPLETE}" in names(remote)
    train_model(smoke("encoder"), URL)
    assert metrics_rows(remote) == metrics_rows(whole)
    assert {"export/config.json", "export/model.safetensors", "config.json"} < names(remote)
    assert not Path("memory:").exists()
