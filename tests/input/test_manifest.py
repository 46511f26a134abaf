import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.input.manifest import read_manifest, scan_manifest
from audiogen_jax.input.webdataset import read_clips
from tests.input.any_json import JSON

ROW = {
    "audio_id": "a",
    "path": "clips/a.flac",
    "duration": 1.5,
    "caption": "A dog.",
    "sfx": ["x", "y"],
}


def write(tmp_path, *rows):
    path = tmp_path / "manifest.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_reads_views_and_resolves_paths(tmp_path):
    (record,) = read_manifest(write(tmp_path, {**ROW, "label": "ignored", "env": None}, ""))
    assert record.path == tmp_path / "clips/a.flac"
    assert record.views == {"caption": ("A dog.",), "sfx": ("x", "y")}
    assert (record.duration, record.split) == (1.5, "train")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{not json", "line 2: .*"),
        ("[1]", r"line 2: expected a JSON object, got '\[1\]'"),
        ({**ROW, "path": None}, r"line 2: missing \['path'\]"),
        ({**ROW, "duration": 0}, "line 2: duration is 0"),
        ({**ROW, "duration": "long"}, "line 2: "),
        ({**ROW, "duration": float("nan")}, "line 2: duration is nan"),
        ({**ROW, "duration": float("inf")}, "line 2: duration is inf"),
        ({**ROW, "duration": True}, "line 2: duration is True"),
        ({**ROW, "split": "test"}, "line 2: split is 'test'"),
        ({**ROW, "split": ["train"]}, r"line 2: split is \['train'\]"),
        ({**ROW, "audio_id": ["b"]}, "line 2: audio_id is a list, expected text"),
        ({**ROW, "audio_id": "\ud83d"}, "line 2: 'audio_id' holds half of a character"),
        ({**ROW, "audio_id": ""}, r"line 2: missing \['audio_id'\]"),
        ({**ROW, "path": {"a": 1}}, "line 2: path is a dict, expected text"),
        ({**ROW, "sfx": "\ud83d"}, "line 2: 'sfx' holds half of a character"),
        ("[" * 10_000, "line 2: JSON that is nested too deep"),
        ({**ROW, "caption": ["a", " "]}, "line 2: view 'caption'"),
        ({**ROW, "caption": 3}, "line 2: "),
        (ROW, "line 2: audio_id 'a' appears twice"),
    ],
)
def test_malformed_rows_are_named(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        read_manifest(write(tmp_path, ROW, row))


def test_missing_and_empty(tmp_path):
    with pytest.raises(FileNotFoundError, match="no manifest at"):
        read_manifest(tmp_path / "nothing.jsonl")
    with pytest.raises(ValueError, match="holds no clips"):
        read_manifest(write(tmp_path, ""))


@given(st.dictionaries(st.sampled_from([*ROW, "sfx", "split", "x"]), JSON), st.binary())
def test_any_row_is_a_clip_or_a_named_error(tmp_path_factory, row: dict, noise: bytes):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    for contents in (json.dumps(ROW | row).encode(), noise):
        path.write_bytes(contents)
        try:
            records, errors, _ = scan_manifest(path)
        except ValueError as error:
            assert "any.jsonl" in str(error)
            continue
        assert len(records) + len(errors) == 1 or contents == noise
        assert all(error.message.startswith(f"{path}, line {error.row}: ") for error in errors)
        for record in records:
            record.audio_id.encode()
            assert 0 < record.duration < math.inf


def test_malformed_rows_are_set_aside_and_counted(tmp_path):
    path = write(tmp_path, {**ROW, "duration": 0}, ROW, "[]")
    with pytest.warns(UserWarning, match="manifest.jsonl: 2 left out, the first: .*line 1: dur"):
        (record,) = read_clips(path)
    assert record.audio_id == ROW["audio_id"]
    rows = [{**ROW, "audio_id": str(i)} for i in range(390)]
    with pytest.raises(ValueError, match="21 of 411 rows of .*line 1: expected a JSON"):
        read_clips(write(tmp_path, *["[]"] * 21, *rows))


def test_a_manifest_in_utf_16_with_ends_of_lines_in_its_texts(tmp_path):
    path = tmp_path / "manifest.jsonl"
    row = {**ROW, "caption": "a\u2028b\x85c"}
    path.write_bytes((json.dumps(row, ensure_ascii=False) + "\r\n").encode("utf-16"))
    assert read_manifest(path)[0].views["caption"] == ("a\u2028b\x85c",)
    path.write_bytes((json.dumps(row, ensure_ascii=False)).encode("utf-8-sig"))
    assert read_manifest(path)[0].views["caption"] == ("a\u2028b\x85c",)
