"""What a folder remembers of its job, and who may work in it."""

import json
import os
from pathlib import Path

import pytest

from audiogen_jax.jobs import job as module
from audiogen_jax.jobs.job import JobFolder, Share, set_aside

JOB = {"seed": 0, "steps": 4}


class Folder(JobFolder):
    def _recover(self) -> None:
        pass


def start(folder: Path, job: dict, share: Share | None = None, names=("made.jsonl",)) -> None:
    with Folder(folder, job, share or Share(), names):
        pass


def test_shares():
    assert Share.parse("1/4") == Share(1, 4)
    assert (Share().suffix, Share(1, 4).suffix) == ("", "-00001-of-00004")
    for text in ("4/4", "-1/4", "1", "a/b", "1/2/3"):
        with pytest.raises(ValueError, match=f"share '{text}': expected I"):
            Share.parse(text)
    with pytest.raises(ValueError, match="share '2/2'"):
        Share(2, 2)


def test_one_process_per_share_and_nothing_but_the_job_stays(tmp_path: Path):
    with Folder(tmp_path, JOB, Share(1, 2), ()):
        with pytest.raises(OSError, match="another process is running this share"):
            start(tmp_path, JOB, Share(1, 2))
        start(tmp_path, JOB, Share(0, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]
    with pytest.raises(ValueError, match="another job"):
        start(tmp_path, JOB | {"seed": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


@pytest.mark.parametrize(("before", "now"), [("fp32", "float32"), ("bfloat16", "bf16")])
def test_two_names_of_a_dtype_are_one_job(tmp_path: Path, before: str, now: str):
    start(tmp_path, {"dtype": before, "seed": 0})
    start(tmp_path, {"dtype": now, "seed": 0})
    assert json.loads((tmp_path / "job.json").read_text())["dtype"] == before
    with pytest.raises(ValueError, match="another job: dtype was '.*' and is 'float16'; seed was"):
        start(tmp_path, {"dtype": "fp16", "seed": 1})


def test_a_hash_decides_and_not_the_spelling_of_a_path(tmp_path: Path):
    job = {"checkpoint": "models/a", "checkpoint_sha256": "1"}
    start(tmp_path, job)
    start(tmp_path, job | {"checkpoint": "./models/a/"})
    with pytest.raises(ValueError, match="job: checkpoint_sha256 was '1' and is '2'. Give"):
        start(tmp_path, job | {"checkpoint_sha256": "2"})
    start(tmp_path, job | {"text_encoder_sha256": "3"})  # which earlier versions did not write
    with pytest.raises(ValueError, match="job: seed was None and is 3"):
        start(tmp_path, job | {"seed": 3})


@pytest.mark.parametrize("contents", [b"", b"{", b"[1]", b"\0\0\0", b"\xff" * 9, b"[" * 99999])
def test_a_damaged_job_is_named_in_one_line(tmp_path: Path, contents: bytes):
    (tmp_path / "job.json").write_bytes(contents)
    with pytest.raises(ValueError, match="job.json is damaged .*restore it") as refusal:
        start(tmp_path, JOB)
    assert "\n" not in str(refusal.value)
    assert (tmp_path / "job.json").read_bytes() == contents


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path):
    (tmp_path / "clips").write_text("mine")
    with pytest.raises(OSError, match="clips is a file, not a folder"):
        start(tmp_path / "clips", JOB)


def test_files_of_somebody_else_are_not_added_to(tmp_path: Path):
    (tmp_path / "made.jsonl").write_text("mine, without an end")
    with pytest.raises(ValueError, match="holds made.jsonl but no job.json"):
        start(tmp_path, JOB)
    assert [path.name for path in tmp_path.iterdir()] == ["made.jsonl"]
    assert (tmp_path / "made.jsonl").read_text() == "mine, without an end"


def test_two_jobs_that_start_at_once_are_not_mixed(tmp_path: Path, monkeypatch):
    link = os.link

    def second(*paths) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(module.os, "link", link)
            start(tmp_path, JOB, Share(0, 2))
        link(*paths)

    monkeypatch.setattr(module.os, "link", second)
    with pytest.raises(ValueError, match="another job: seed was 0 and is 1"):
        start(tmp_path, JOB | {"seed": 1}, Share(1, 2))


def test_a_file_system_without_links(tmp_path: Path, monkeypatch):
    def link(*_) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module.os, "link", link)
    start(tmp_path, JOB)
    assert json.loads((tmp_path / "job.json").read_text()) == JOB


def test_what_is_set_aside_is_not_lost(tmp_path: Path):
    path = tmp_path / "a.wav"
    assert set_aside(path) == "a.wav is gone"
    path.touch()
    assert set_aside(path) == "a.wav was empty" and not path.exists()
    for contents, name in (("one", "a.wav.changed"), ("two", "a.wav.changed-2")):
        path.write_text(contents)
        assert set_aside(path) == f"a.wav was changed, and is {name} now"
        assert (tmp_path / name).read_text() == contents
