import json

import pytest

from audiogen_jax.input.manifest import read_manifest

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
        ({**ROW, "split": "test"}, "line 2: split is 'test'"),
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
