"""The commit protocol of batch jobs: a crash after any file operation loses and doubles nothing."""

import errno
import hashlib
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiogen_jax.files import atomic, jsonl
from audiogen_jax.jobs import clip_folder
from audiogen_jax.jobs import job as job_folder
from audiogen_jax.jobs.clip_folder import ClipFolder, check_free
from audiogen_jax.jobs.file_names import file_name
from audiogen_jax.jobs.job import Share

JOB = {"seed": 0, "steps": 4}
GROUPS = [["a", "b", "c"], ["d"], ["e/1", "f"]]


class Crash(BaseException):
    """The process is gone: nothing may handle it."""


def contents(name: str) -> bytes:
    return name.encode() * 50


def listed(name: str) -> dict:
    digest = hashlib.sha256(contents(name)).hexdigest()
    return {"id": name, "file": file_name(name, ".wav"), "sha256": digest}


def write_all(folder, made: list[str]) -> None:
    """What a job does, from the start or after a crash."""
    with ClipFolder(folder, JOB, Share()) as store:
        for group in GROUPS:
            todo = [name for name in group if name not in store.done]
            made += todo
            files = {file_name(name, ".wav"): contents(name) for name in todo}
            rows = [listed(name) for name in todo]
            if rows:
                store.commit(files, rows)


class Fragile:
    """`os` that dies at the n-th call that changes or syncs a file, perhaps half way through."""

    def __init__(self, left: int, torn: float):
        self.left, self.torn = left, torn

    def __getattr__(self, name):
        original = getattr(os, name)
        if name not in ("replace", "fsync", "truncate", "link"):
            return original

        def call(*arguments):
            self.left -= 1
            if self.left > 0:  # no machine crashes here: what is written need not reach the disk
                return None if name == "fsync" else original(*arguments)
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
    audio = [file_name(name, ".wav") for name in names]
    found = sorted(path.name for path in folder.iterdir())
    assert found == sorted([*audio, "job.json", "manifest.jsonl"]), "no litter"


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes=st.lists(st.tuples(st.integers(1, 30), st.floats(0.9, 1.0)), max_size=4))
def test_crashes(tmp_path_factory, crashes):
    folder = tmp_path_factory.mktemp("job")
    made: list[str] = []
    for left, torn in crashes:
        with pytest.MonkeyPatch.context() as patch:
            fragile = Fragile(left, torn)
            for module in (clip_folder, job_folder, atomic, jsonl):
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


def test_changed_clips_are_made_again_and_what_changed_them_stays(tmp_path):
    write_all(tmp_path, [])
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "b.wav").write_bytes(contents("b")[:-1])
    (tmp_path / "c.wav").write_bytes(contents("b"))  # of the same size
    (tmp_path / "d.wav").unlink()
    made: list[str] = []
    with pytest.warns(UserWarning, match="4 clips are not as manifest.jsonl says") as told:
        write_all(tmp_path, made)
    assert made == ["a", "b", "c", "d"]
    for words in (
        "a.wav was empty",
        "c.wav was changed, and is c.wav.changed now",
        "d.wav is gone",
    ):
        assert words in str(told[0].message)
    assert (tmp_path / "b.wav.changed").read_bytes() == contents("b")[:-1]
    assert (tmp_path / "c.wav.changed").read_bytes() == contents("b")
    made.clear()
    write_all(tmp_path, made)
    assert not made
    rows = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert sorted(row["id"] for row in rows) == sorted(sum(GROUPS, []))
    for row in rows:
        assert (tmp_path / row["file"]).read_bytes() == contents(row["id"])


def test_files_that_are_not_of_the_job_are_not_written_over(tmp_path):
    check_free(tmp_path / "none", Share(), ["a.wav"])
    with ClipFolder(tmp_path, JOB, Share()) as store:
        store.commit({"a.wav": contents("a")}, [listed("a")])
        (tmp_path / "b.wav").write_bytes(b"a recording of mine")
        with pytest.raises(ValueError, match="b.wav stands there already and is not listed"):
            store.commit({"b.wav": b"b"}, [listed("b")])
        assert store.done == {"a"}
    assert (tmp_path / "b.wav").read_bytes() == b"a recording of mine"
    check_free(tmp_path, Share(), ["a.wav", "c.wav"])
    with pytest.raises(ValueError, match="b.wav stands there already and is not listed"):
        check_free(tmp_path, Share(), ["a.wav", "b.wav"])


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a", "file": "../secret.txt"},
        {"id": "a", "file": "../../secret.wav"},
        {"id": "a", "file": "/etc/secret.wav"},
        {"id": "a", "file": "sub/a.wav"},
        {"id": "a", "file": ".."},
        {"id": "a", "file": "a.wav\0"},
        {"id": "a", "file": "job.json"},
        {"id": "a", "file": ["a.wav"]},
        {"id": "a"},
        {"id": ["a"], "file": "a.wav"},
        {"file": "a.wav"},
    ],
)
def test_a_manifest_names_no_file_elsewhere(tmp_path, row):
    folder = tmp_path / "deep" / "job"
    write_all(folder, [])
    for name in ("secret.txt", "deep/secret.txt", "secret.wav"):
        (tmp_path / name).write_text("secret")
    with (folder / "manifest.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="manifest.jsonl, line 7: (file|id) is "):
        ClipFolder(folder, JOB, Share()).__enter__()
    assert sorted(tmp_path.rglob("*")) == before


def test_going_on_takes_no_longer_for_what_is_done(tmp_path):
    """Work for each batch that is independent of the number of clips done."""

    class Done(set):
        """Neither gone through nor copied."""

        def __iter__(self):
            raise AssertionError("all that is done, for every batch")

        __or__ = __ror__ = __and__ = __rand__ = __sub__ = __rsub__ = copy = __iter__

    with ClipFolder(tmp_path, JOB, Share()) as store:
        store.done = Done(store.done)
        for name in "abc":
            store.fail([])
            store.commit({f"{name}.wav": contents(name)}, [listed(name)])
            store.fail([{"id": name, "error": "x"}, {"id": f"{name}2", "error": "x"}])
            store.check_failed()
    assert len(store.done) == 3 and store.failed.keys() == {"a2", "b2", "c2"}


def test_too_many_failures_stop_the_job(tmp_path):
    with ClipFolder(tmp_path, JOB, Share()) as store:
        store.fail([{"id": str(i), "error": "silent"} for i in range(20)])
        store.check_failed()
        store.fail([{"id": "x", "error": "silent"}])
        with pytest.raises(ValueError, match="21 of 21 rows and clips .*One of them: silent"):
            store.check_failed()
        store.done = {str(i) for i in range(20, 420)}
        store.check_failed()
