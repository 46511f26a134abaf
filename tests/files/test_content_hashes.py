"""Hashes beside files: what has changed is named, whatever it is and wherever it lies."""

import hashlib
import json
import os

import pytest

from audiogen_jax.files import content_hashes
from audiogen_jax.files.content_hashes import (
    HASHES,
    ContentCheck,
    check_contents,
    read_checked,
    record_contents,
)


@pytest.fixture
def folder(tmp_path):
    """Two files and a folder of two, hashed."""
    (tmp_path / "params" / "d").mkdir(parents=True)
    for name in ("a.json", "b.bin", "params/manifest", "params/d/0"):
        (tmp_path / name).write_text(name)
    record_contents(tmp_path, ["a.json", "params"])
    record_contents(tmp_path, ["b.bin"])
    return tmp_path


def test_files_as_they_were_written(folder):
    hashes = json.loads((folder / HASHES).read_text())
    assert list(hashes) == ["a.json", "b.bin", "params/d/0", "params/manifest"]
    assert hashes["b.bin"] == hashlib.sha256(b"b.bin").hexdigest()
    check_contents(folder, ["a.json", "b.bin", "params", "not there and not listed"])
    (folder / "params" / "new").write_text("what has no hash is not checked")
    check_contents(folder, ["params"])


@pytest.mark.parametrize("name", ["a.json", "b.bin", "params/d/0"])
def test_what_changed_is_named(folder, name):
    (folder / name).write_text("other")
    with pytest.raises(ValueError, match=f"{name} is not what was written there.*sha256.json"):
        check_contents(folder, ["a.json", "b.bin", "params"])
    record_contents(folder, [name])
    check_contents(folder, ["a.json", "b.bin", "params"])
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing, which sha256.json beside it lists"):
        check_contents(folder, ["a.json", "b.bin", "params"])


def test_a_small_file_is_read_and_checked_at_once(folder, monkeypatch):
    assert read_checked(folder / "a.json") == b"a.json"
    (folder / "a.json").write_text("other")
    with pytest.raises(ValueError, match="a.json is not what was written there"):
        read_checked(folder / "a.json")
    (folder / HASHES).unlink()
    assert read_checked(folder / "a.json") == b"other"
    monkeypatch.setattr(content_hashes, "_SMALL", 4)
    with pytest.raises(ValueError, match="a.json has 5 bytes: expected at most 4"):
        read_checked(folder / "a.json")


def test_only_what_is_asked_for_is_checked(folder):
    (folder / "a.json").write_text("other")
    check_contents(folder, ["b.bin", "params"])
    (folder / "params" / "d" / "0").unlink()
    check_contents(folder, ["b.bin"])
    record_contents(folder, ["params"])  # what is gone is no longer listed
    check_contents(folder, ["params"])


def test_a_change_while_it_is_read(folder):
    check = ContentCheck(folder, ["b.bin"])
    (folder / "b.bin").write_text("other")
    check.start()
    for _ in range(2):
        with pytest.raises(ValueError, match="b.bin is not what was written"):
            check.wait()


def test_folders_without_hashes_are_read_as_before(tmp_path):
    (tmp_path / "a").write_text("a")
    check_contents(tmp_path, ["a", "b"])


@pytest.mark.parametrize("text", ["", "[]", '{"a.json": 3}', '{"a.json": "abc"}', "{\ud800"])
def test_damaged_hashes_are_named(folder, text):
    (folder / HASHES).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=HASHES):
        check_contents(folder, ["a.json"])
    record_contents(folder, ["a.json"])  # writing goes on
    check_contents(folder, ["a.json"])


def test_pipes_and_devices_are_not_read(folder):
    os.mkfifo(folder / "params" / "pipe")
    with pytest.raises(ValueError, match="pipe is no regular file"):
        check_contents(folder, ["params"])
    (folder / "params" / "pipe").unlink()
    (folder / "params" / "zero").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="zero is no regular file"):
        check_contents(folder, ["params"])


@pytest.mark.parametrize("kind", ["sha256", "git"])
def test_the_hubs_own_hashes(tmp_path, kind):
    """Its cache names files by their sha256, small ones by git's hash."""
    contents = b"weights"
    names = {
        "sha256": hashlib.sha256(contents).hexdigest(),
        "git": hashlib.sha1(b"blob 7\0weights").hexdigest(),
    }
    blob, link = tmp_path / "blobs" / names[kind], tmp_path / "snapshots" / "c" / "weights"
    blob.parent.mkdir()
    link.parent.mkdir(parents=True)
    blob.write_bytes(contents)
    link.symlink_to(blob)
    check_contents(link.parent, ["weights"])
    blob.write_bytes(b"Weights")
    with pytest.raises(ValueError, match="weights is not what .* its name in the cache"):
        check_contents(link.parent, ["weights"])
