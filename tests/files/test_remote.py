"""Paths of object stores, on fsspec's file system in memory."""

import sys
from pathlib import Path

import pytest

from audiogen_jax.files.atomic import check_writable, staging_folder, write_text
from audiogen_jax.files.content_hashes import check_contents, record_contents
from audiogen_jax.files.remote import (
    is_remote,
    join,
    local_copy,
    parse_path,
    require_local,
    store_errors,
)

ROOT = "memory://bucket/audiogen"


@pytest.fixture
def store(empty_store) -> Path:
    return empty_store(ROOT)


@pytest.mark.parametrize(
    "path", ["gs://b/x", Path("gs://b/x"), "s3://b/x", Path("s3:/b/x"), "memory://b", "other://b/c"]
)
def test_remote(path):
    assert is_remote(path)
    with pytest.raises(ValueError, match=r"^\w+://b.*the model must be on a local or mounted"):
        require_local(path, "the model")
    with pytest.raises(ValueError, match="mounted file system"):
        check_writable(path)
    with pytest.raises(ValueError, match="mounted file system"), staging_folder(path):
        pass
    assert not Path("gs:").exists()


@pytest.mark.parametrize(
    "path", ["a/b", "/a/b", "C:/a", "C:\\a", "nano", "other:/b", "a b://c", ""]
)
def test_local(path: str):
    assert not is_remote(path)
    assert parse_path(path) == require_local(path, "this") == Path(path)


def test_a_package_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(ValueError, match="gs://b/x: gs:// needs the package gcsfs: pip install"):
        parse_path("gs://b/x")
    with pytest.raises(ValueError, match="no object store is known as other://"):
        parse_path("other://b/x")


def test_hashes_of_contents(store):
    for name in ("a.txt", "part/b.txt"):
        write_text(store / name, name)
    record_contents(store, ["a.txt", "part"])
    check_contents(ROOT, ["a.txt", "part"])
    write_text(store / "part/b.txt", "changed")
    with pytest.raises(ValueError, match=f"{ROOT}/part/b.txt is not what was written there"):
        check_contents(store, ["a.txt", "part"])


def test_join(store):
    assert str(join(store, "a/b.wav")) == f"{ROOT}/a/b.wav"
    assert join(store, "/data/b.wav") == Path("/data/b.wav")
    assert str(join(Path("here"), f"{ROOT}/b.wav")) == f"{ROOT}/b.wav"
    assert join(Path("here"), "b.wav") == Path("here/b.wav")


def test_copies_are_made_once_until_the_contents_change(store, monkeypatch):
    (store / "data/part").mkdir(parents=True)
    (store / "data/a.txt").write_text("first")
    (store / "data/part/b.txt").write_text("second")
    copy = local_copy(f"{ROOT}/data")
    assert (copy / "a.txt").read_text() == "first"
    assert (copy / "part/b.txt").read_text() == "second"
    assert local_copy(store / "data/a.txt").read_text() == "first"
    with monkeypatch.context() as patch:
        patch.setattr(type(store.fs), "get_file", None)
        assert local_copy(f"{ROOT}/data") == copy
    (store / "data/a.txt").write_text("changed")
    assert (local_copy(f"{ROOT}/data") / "a.txt").read_text() == "changed"
    assert local_copy(copy) == copy
    assert not list(copy.parent.parent.glob(".partial-*"))


def test_nothing_is_there(store):
    with pytest.raises(FileNotFoundError, match="nothing at memory://bucket/audiogen/none"):
        local_copy(f"{ROOT}/none")


def test_errors_of_stores_are_one_line(store):
    with pytest.raises(OSError, match=f"^{ROOT}: no credentials$"), store_errors(store):
        raise RuntimeError("no\n  credentials")
    with pytest.raises(FileNotFoundError, match=f"^{ROOT}: bucket"), store_errors(store):
        raise FileNotFoundError("bucket")
    with pytest.raises(ValueError, match=f"^{ROOT}, line 2: bad$"), store_errors(store):
        raise ValueError(f"{ROOT}, line 2: bad")
    with pytest.raises(RuntimeError, match="^ours$"), store_errors("local/file"):
        raise RuntimeError("ours")


def test_a_download_that_fails_leaves_nothing(store, monkeypatch, tmp_path):
    store.mkdir(parents=True)
    (store / "a.txt").write_text("first")

    def fail(self, remote, local):
        Path(local).write_text("fi")
        raise OSError("connection reset")

    with monkeypatch.context() as patch:
        patch.setattr(type(store.fs), "get_file", fail)
        with pytest.raises(OSError, match="connection reset"):
            local_copy(ROOT)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert (local_copy(ROOT) / "a.txt").read_text() == "first"
