import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.input.edits.manifest import EditRecord, pair_row, parse_pair, read_pairs
from audiogen_jax.input.manifest import scan_manifest

ROW = {
    "id": "a",
    "type": "remove",
    "prompt": "Remove 'a dog'.",
    "input": "i.wav",
    "output": "o.wav",
}


def test_the_published_form(pairs):
    records = read_pairs(pairs)
    assert [record.pair_id for record in records[:3]] == [
        "add/clip0",
        "remove/clip0",
        "extract/clip0",
    ]
    first, last = records[0], records[-1]
    assert (first.what, first.span, first.duration) == ("a bell", None, None)
    assert first.source == pairs.parent / "residual0.wav"
    assert first.target == pairs.parent / "mixed0.wav"
    assert (last.span, last.duration) == ((0.25, 0.5), 1.0)
    assert last.event == pairs.parent / "target1.wav"


@pytest.mark.parametrize("kind", ["transfer", "Style_Transfer", "restyle"])
def test_restyled_pairs(kind):
    row = ROW | {"type": kind, "prompt": "change the sound of 'a dog' to 'a cat'"}
    record = parse_pair(row, Path("folder"))
    assert (record.kind, record.what, record.to) == ("restyle", "a dog", "a cat")


def test_rows_come_back():
    files = {"input": "i.flac", "output": "o.flac", "event": "e.flac", "replacement": "r.flac"}
    paths = [Path("folder") / file for file in files.values()]
    record = EditRecord(
        "a", "restyle", "Turn a dog into a man.", *paths[:2], "a dog", "a man", "hello", (0.5, 1.0),
        *paths[2:], 2.0, "val", True,
    )  # fmt: skip
    row = json.loads(json.dumps(pair_row(record, files)))
    assert [*row][:5] == ["id", "type", "prompt", "input", "output"]
    assert parse_pair(row, Path("folder")) == record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "mix"}, "type is 'mix', expected one of"),
        ({"input": None}, r"missing \['input'\]"),
        ({"prompt": 1.5}, "prompt is a float, expected text"),
        ({"prompt": " "}, "prompt is blank"),
        ({"span": [1, 0.5]}, r"span is \[1, 0.5\], expected \[start, end\]"),
        ({"span": [True, None]}, "expected .start, end."),
        ({"duration": 0}, "duration is 0, expected seconds"),
        ({"split": "test"}, "split is 'test'"),
        ({"what": "\ud800"}, "half of a character"),
    ],
)
def test_a_malformed_row_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        parse_pair(ROW | change, Path("folder"))


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_malformed_rows_are_set_aside_up_to_a_limit(tmp_path):
    good = [ROW | {"id": str(number)} for number in range(3)]
    path = write(tmp_path / "a.jsonl", [*good, {"id": "b"}])
    with pytest.warns(UserWarning, match=r"1 left out.*a\.jsonl, line 4: missing \['type'\]"):
        assert len(read_pairs(path)) == 3
    path = write(tmp_path / "b.jsonl", [*good, *[{"id": "b"}] * 21])
    with pytest.raises(ValueError, match="21 of 24 rows of .* are bad"):
        read_pairs(path)


def test_what_is_no_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match="no manifest of edit pairs"):
        read_pairs(tmp_path / "missing.jsonl")
    with pytest.raises(ValueError, match="line 2: pair 'remove/a' appears twice"):
        read_pairs(write(tmp_path / "a.jsonl", [ROW, ROW]))
    with pytest.raises(ValueError, match=r"holds no pairs: .*line 1: missing \['type'\]"):
        read_pairs(write(tmp_path / "a.jsonl", [{"id": "b"}]))


def test_pairs_are_read_as_their_results_with_the_edit_in_columns(tmp_path):
    soundfile.write(tmp_path / "out.wav", np.zeros(8000), 16000)
    row = {"id": 7, "input": "in.wav", "output": "out.wav"}
    rows = [
        {**row, "type": "remove", "prompt": "Remove 'a dog' please."},
        {**row, "type": "transfer", "prompt": "Turn 'a dog' into 'a cat'.", "duration": 2.0},
        {**row, "type": "add", "prompt": "Add it.", "what": "rain", "split": "val"},
        {**row, "type": "paint", "prompt": "Paint it."},
        {**row, "type": "add", "prompt": "Add it.", "output": "none.wav"},
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    removed, restyled, added = (scan := scan_manifest(path)).records
    assert removed.inputs == {"edit": "remove", "source": "in.wav", "what": "a dog"}
    assert (removed.audio_id, removed.duration) == ("remove/7", 0.5)
    assert removed.path == tmp_path / "out.wav"
    assert (restyled.inputs["to"], restyled.duration) == ("a cat", 2.0)
    assert (added.inputs["what"], added.split) == ("rain", "val")
    assert [error.row for error in scan.errors] == [4, 5]
    assert "type is 'paint'" in scan.errors[0].message
    assert "none.wav does not say it" in scan.errors[1].message
