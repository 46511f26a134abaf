"""Tar files of audio give the clips that a manifest of the same files gives."""

import gzip
import io
import json
import resource
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.input.audio_batches import DataConfig, make_iterator
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.webdataset import read_clips, read_tar, scan_clips

CLIPS = sorted((Path(__file__).parent.parent / "clips").rglob("*.flac"))[:6]


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def tar(tmp_path):
    files = {}
    for i, clip in enumerate(CLIPS):
        files[f"a/{i:03}.flac"] = clip.read_bytes()
        row = {"caption": [f"clip {i}", "a sound"], "split": ("train", "val")[i % 2], "sfx": "x"}
        files[f"a/{i:03}.json"] = json.dumps(row).encode()
    files["b/one.wav.flac"] = b"not looked at: its kind is wav.flac"
    files["b/one.flac"] = CLIPS[0].read_bytes()
    files["b/one.txt"] = b"a caption alone\n"
    return write_tar(tmp_path / "shard-000.tar", files)


def test_clips_are_those_of_the_files(tar):
    records = read_clips(tar)
    assert [record.audio_id for record in records] == [*(f"a/{i:03}" for i in range(6)), "b/one"]
    assert [record.split for record in records[:4]] == ["train", "val"] * 2
    assert records[0].views == {"caption": ("clip 0", "a sound"), "sfx": ("x",)}
    assert records[-1].views == {"caption": ("a caption alone",)}
    cache = AudioCache(16000, 1 << 20)
    for record, clip in zip(records, CLIPS, strict=False):
        assert record.duration == soundfile.info(clip).duration
        np.testing.assert_array_equal(cache.load(record.path, record.member), cache.load(clip))


def test_training_reads_them_like_a_manifest(tar, tmp_path):
    rows = [
        {
            "audio_id": f"a/{i:03}",
            "path": str(clip),
            "duration": soundfile.info(clip).duration,
            "caption": [f"clip {i}", "a sound"],
            "sfx": "x",
            "split": ("train", "val")[i % 2],
        }
        for i, clip in enumerate(CLIPS)
    ]
    manifest = tmp_path / "rows.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def batch(path: Path) -> dict:
        config = DataConfig(
            manifests=((str(path), 1.0),), split="val", buckets=(1.0,), batch_sizes=(3,)
        )
        return next(make_iterator(config))

    expected = batch(manifest)
    for name, values in batch(tar).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.flac": b"no audio"}, "sample 'a': a.flac is not audio: Format not rec"),
        ({"a.json": b"{}"}, "sample 'a': expected one audio file"),
        ({"a.wav": b"", "a.flac": b""}, "sample 'a': expected one audio file"),
        ({"a.flac": b"", "a.json": b"{"}, "sample 'a': not JSON"),
        ({"a.flac": b"", "a.json": b'{"duration": 0}'}, "sample 'a': duration is 0"),
        ({"a.flac": b"", "a.json": b"[]"}, "sample 'a': expected a JSON object"),
        (
            {"a.flac": b"", "a.json": b'{"duration": 1, "audio_id": [1]}'},
            "sample 'a': audio_id is a list",
        ),
        ({"a.flac": b"", "a.json": b"[" * 10_000}, "sample 'a': JSON that is nested too deep"),
        ({"a.flac": b"", "a.txt": b"caf\xe9"}, "sample 'a': a.txt is not text in UTF-8"),
        ({"README.md": b"hello"}, "sample 'README': expected one audio file"),
        ({}, "holds no clips"),
    ],
)
def test_malformed_samples_are_named(tmp_path, files: dict[str, bytes], message: str):
    with pytest.raises(ValueError, match=message):
        read_tar(write_tar(tmp_path / "x.tar", files))


def test_files_that_are_no_tar(tmp_path, tar):
    with pytest.raises(FileNotFoundError, match="no tar file at"):
        read_tar(tmp_path / "none.tar")
    cut = tmp_path / "cut.tar"
    cut.write_bytes(tar.read_bytes()[:5000])
    text = tmp_path / "text.tar"
    text.write_text("hello" * 1000)
    for path in (cut, text):
        with pytest.raises(ValueError, match="no uncompressed tar file, or cut short"):
            read_tar(path)


def test_damaged_audio_is_named(tar):
    record = read_tar(tar)[1]
    assert record.member is not None
    content = bytearray(tar.read_bytes())
    content[record.member.offset : record.member.offset + 4] = b"XXXX"
    tar.write_bytes(content)
    with pytest.raises(ValueError, match="shard-000.tar/a/001.flac is not audio"):
        AudioCache(16000, 0).load(record.path, record.member)


def test_samples_that_are_none_are_set_aside(tar, tmp_path):
    good = CLIPS[0].read_bytes()
    files = {
        "README": b"hello",
        "notes.txt": b"hello",
        "lone.json": b"{}",
        "take.raw": b"0" * 100,
        "good.FLAC": good,
        "._good.flac": b"of a Mac",
        "deep.flac": good,
        "deep.json": b"[" * 10_000,
        "bytes\udce9.flac": good,
    }
    path = write_tar(tmp_path / "mixed.TAR", files)
    scan = scan_clips(path)
    assert [record.audio_id for record in scan.records] == ["good"]
    assert len(scan.errors) == 6 and all(str(path) in error.message for error in scan.errors)
    with pytest.warns(UserWarning, match="mixed.TAR: 6 left out, the first: .*sample 'README'"):
        assert read_clips(path) == scan.records


def test_a_relative_path_is_not_doubled(tar, monkeypatch):
    monkeypatch.chdir(tar.parent.parent)
    relative = tar.relative_to(tar.parent.parent)
    record = read_clips(relative)[0]
    assert record.path == relative
    assert len(AudioCache(16000, 0).load(record.path, record.member))


@pytest.mark.parametrize("name", ["a.tar.gz", "a.TGZ", "A.Tar.Bz2", "a.tar.zst"])
def test_compressed_tar_files_are_refused_by_name(tar, tmp_path, name: str):
    path = tmp_path / name
    path.write_bytes(gzip.compress(tar.read_bytes()))
    with pytest.raises(ValueError, match=f"{name} is compressed: unpack it") as refusal:
        read_clips(path)
    assert "\n" not in str(refusal.value)
    path = path.rename(tmp_path / "b.tar")
    with pytest.raises(ValueError, match="b.tar is no uncompressed tar file"):
        read_clips(path)


def header(name: str, kind: bytes, size: int = 0, pax: dict | None = None) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    info.pax_headers = pax or {}
    return info.tobuf(tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT)


def test_members_that_claim_what_is_not_there_take_no_memory(tmp_path):
    """Read in a process of at most 2 GB: sparse members of terabytes, headers longer than files."""
    end = b"\0" * 1024
    sparse = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1"}
    sparse |= {"GNU.sparse.name": "a.flac", "GNU.sparse.realsize": str(1 << 42)}
    files = {
        "sparse": header("a.flac", tarfile.REGTYPE, 1, sparse) + b"x".ljust(512, b"\0") + end,
        "long": header("a.flac", tarfile.REGTYPE, 1 << 42) + end,
        "name": header("a.flac", tarfile.GNUTYPE_LONGNAME, 1 << 42) + end,
        "pax": header("a.flac", tarfile.XHDTYPE, 1 << 42) + end,
        "nested": header("a", tarfile.XHDTYPE) * 5000 + end,
        "random": np.random.default_rng(0).bytes(4096),
    }
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (2 << 30), hard))
    try:
        for name, contents in files.items():
            path = tmp_path / f"{name}.tar"
            path.write_bytes(contents)
            with pytest.raises(ValueError, match=f"{name}.tar.*(has holes|is no uncompressed tar)"):
                read_tar(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
