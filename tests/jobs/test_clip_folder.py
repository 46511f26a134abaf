"""The commit protocol of batch jobs: a crash after any file operation loses and doubles nothing."""

import errno
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiogen_jax.files import atomic, jsonl
from audiogen_jax.jobs import clip_folder
from audiogen_jax.jobs.clip_folder import ClipFolder, file_name
from audiogen_jax.jobs.job import Share

JOB = {"seed": 0, "steps": 4}
GROUPS = [["a", "b", "c"], ["d"], ["e/1", "f"]]


class Crash(BaseException):
    """The process is gone: nothing may handle it."""


def contents(name: str) -> bytes:
    return name.encode() * 50


def write_all(folder, made: list[str]) -> None:
    """What a job does, from the start or after a crash."""
    with ClipFolder(folder, JOB, Share()) as store:
        for group in GROUPS:
            todo = [name for name in group if name not in store.done]
            made += todo
            files = {file_name(name, ".wav"): contents(name) for name in todo}
            rows = [{"id": name, "file": file_name(name, ".wav")} for name in todo]
            if rows:
                store.commit(files, rows)


class Fragile:
    """`os` that dies at the n-th call that changes or syncs a file, perhaps half way through."""

    def __init__(self, left: int, torn: float):
        self.left, self.torn = left, torn

    def __getattr__(self, name):
        original = getattr(os, name)
        if name not in ("replace", "fsync", "truncate"):
            return original

        def call(*arguments):
            self.left -= 1
            if self.left > 0:
                return original(*arguments)
            if name == "fsync" and self.torn < 1:  # part of what was written never arrived
                try:
                    size = os.fstat(arguments[0]).st_size
                    os.ftruncate(arguments[0], int(size * self.torn))
                except OSError:
                    pass  # a folder
            raise Crash

        return call


def check(folder) -> None:
    names = [name for group in GROUPS for name in group]
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == names
    for name in names:
        assert (folder / file_name(name, ".wav")).read_bytes() == contents(name)
    audio = sorted(path.name for path in folder.glob("*.wav"))
    assert audio == sorted(file_name(name, ".wav") for name in names)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes=st.lists(st.tuples(st.integers(1, 30), st.floats(0.9, 1.0)), max_size=4))
def test_crashes(tmp_path_factory, crashes):
    folder = tmp_path_factory.mktemp("job")
    made: list[str] = []
    for left, torn in crashes:
        with pytest.MonkeyPatch.context() as patch:
            fragile = Fragile(left, torn)
            for module in (clip_folder, atomic, jsonl):
                patch.setattr(module, "os", fragile)
            try:
                write_all(folder, made)
            except Crash:
                continue
    before = set(made)
    committed = {
        json.loads(line)["id"]
        for path in [folder / "manifest.jsonl"]
        if path.exists()
        for line in path.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    }
    made.clear()
    write_all(folder, made)
    check(folder)
    assert not committed & set(made), "what was committed is not made again"
    assert before | set(made) >= {name for group in GROUPS for name in group}


def test_a_full_disk_undoes_the_manifest(tmp_path, monkeypatch):
    with ClipFolder(tmp_path, JOB, Share()) as store:
        store.commit({"a.wav": b"a"}, [{"id": "a", "file": "a.wav"}])
        before = (tmp_path / "manifest.jsonl").read_bytes()
        calls = []

        def full(descriptor):
            calls.append(descriptor)
            if len(calls) == 3:  # after the staged file and its folder: the manifest
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            store.commit({"b.wav": b"b"}, [{"id": "b", "file": "b.wav"}])
        assert (tmp_path / "manifest.jsonl").read_bytes() == before
        assert not (tmp_path / "b.wav").exists() and store.done == {"a"}


def test_another_job_is_refused(tmp_path):
    write_all(tmp_path, [])
    with pytest.raises(ValueError, match="belongs to another job: steps was 4 and is 5"):
        ClipFolder(tmp_path, JOB | {"steps": 5}, Share()).__enter__()


def test_a_missing_file_is_named(tmp_path):
    write_all(tmp_path, [])
    (tmp_path / "d.wav").unlink()
    with pytest.raises(ValueError, match="manifest.jsonl lists d.wav, which is gone"):
        ClipFolder(tmp_path, JOB, Share()).__enter__()


def test_one_process_per_share(tmp_path):
    with ClipFolder(tmp_path, JOB, Share(0, 2)):
        with pytest.raises(OSError, match="another process is running this share"):
            ClipFolder(tmp_path, JOB, Share(0, 2)).__enter__()
        with ClipFolder(tmp_path, JOB, Share(1, 2)) as other:
            other.commit({"x.wav": b"x"}, [{"id": "x", "file": "x.wav"}])
    assert (tmp_path / "manifest-00001-of-00002.jsonl").exists()


def test_errors_are_kept_until_they_are_forgotten(tmp_path):
    errors = [{"id": "a", "error": "silent"}, {"row": 3, "error": "not JSON"}]
    with ClipFolder(tmp_path, JOB, Share()) as store:
        store.fail(errors)
    before = (tmp_path / "errors.jsonl").read_bytes()
    with ClipFolder(tmp_path, JOB, Share()) as store:
        assert store.failed.keys() == {"a", 3}
        store.forget_errors()
        assert not store.failed and (tmp_path / "errors.jsonl").read_bytes() == b""
        store.fail(errors)
    assert (tmp_path / "errors.jsonl").read_bytes() == before


def test_what_failed_fails_once_and_what_is_done_does_not(tmp_path):
    first = {"id": "a", "error": "silent"}
    with ClipFolder(tmp_path, JOB, Share()) as store:
        store.commit({"b.wav": b"b"}, [{"id": "b", "file": "b.wav"}])
        store.fail([first, {"id": "a", "error": "again"}, {"row": 3, "error": "not JSON"}])
    with ClipFolder(tmp_path, JOB, Share()) as store:
        store.fail([{"id": "b", "error": "silent"}, {"row": 3, "error": "x"}, first])
    lines = (tmp_path / "errors.jsonl").read_text().splitlines()
    assert [json.loads(line).get("id") for line in lines] == ["a", None]


@pytest.mark.parametrize("clip_id", ["a/../../b", "..", "ä ö", "a%2Fb", "C:\\x", "a\nb"])
def test_ids_as_file_names(clip_id, tmp_path):
    name = file_name(clip_id, ".wav")
    assert "/" not in name and "\n" not in name and (tmp_path / name).parent == tmp_path
    assert name != file_name(clip_id + "x", ".wav")


def test_a_name_that_is_too_long():
    with pytest.raises(ValueError, match="file name of 304 characters"):
        file_name("x" * 300, ".wav")
