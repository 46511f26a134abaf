"""Prompt files of every shape in use, and what is wrong with the others."""

import csv
import json
import re
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.files.jsonl import to_lines
from audiogen_jax.input.prompts import (
    PromptRecord,
    parse_prompts,
    read_prompts,
    scan_prompts,
)
from audiogen_jax.timeline import Event
from tests.input.any_json import JSON

ROWS = {
    "views": {"audio_id": "a", "caption": "rain", "asr": "", "env": "street", "category": "00A"},
    "content": {"audio_id": "a", "content": "<|caption|> rain <|env|> street", "category": "00A"},
    "tagged": {"audio_id": "a", "caption": "<|env|> street <|caption|> rain", "category": "00A"},
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_prompt_files(tmp_path: Path, row: dict, suffix: str):
    path = tmp_path / f"prompts{suffix}"
    if suffix == ".jsonl":
        path.write_text(json.dumps(row) + "\n\n", encoding="utf-8-sig")
    else:
        path.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    (record,) = read_prompts(path)
    assert record.caption == StructuredCaption("rain", env="street")
    assert (record.audio_id, record.category) == ("a", "00A")


def test_rows_without_an_id_are_numbered(tmp_path: Path):
    path = tmp_path / "prompts.csv"
    path.write_text("caption,music\nrain,\nwind,piano\n")
    assert [record.audio_id for record in read_prompts(path)] == ["0", "1"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.jsonl", "{", "row 0: not JSON"),
        ("p.jsonl", '{"caption": "x"}\n[1]', "row 1: expected a JSON object"),
        ("p.jsonl", '{"caption": "x"}\n{"music": "y"}', "row 1: neither 'content' nor 'caption'"),
        ("p.jsonl", '{"caption": ["x"]}', "row 0: expected text"),
        ("p.jsonl", '{"content": "<|caption|> x", "env": "y"}', "row 0: a tagged string beside"),
        ("p.csv", "audio_id,caption\na,x\na,y\n", "row 1: audio_id 'a' appears twice"),
        ("p.csv", "audio_id,caption\n", "holds no prompts"),
        ("p.csv", "", "holds no prompts"),
        ("p.csv", "id,text\n1,rain\n", "p.csv has the columns ['id', 'text']: expected one of"),
        ("p.csv", "caption,Caption\nrain,wind\n", "['caption'] twice"),
        ("p.csv", "caption\nrain,wind\n", "row 0: more cells than columns: 2, not 1"),
        ("p.csv", 'caption\n"rain\nwind\n', "p.csv, line 2: a quotation mark is not closed"),
        ("p.csv", 'caption\nwind\n"rain" x\n', "row 1: ',' expected after '\"'"),
        (
            "p.jsonl",
            '{"caption": "x", "Caption": "y"}',
            "row 0: column 'caption' stands there twice",
        ),
        ("p.jsonl", '{"caption": "a dog \\ud83d"}', "row 0: 'caption' holds half of a character"),
        ("p.jsonl", '{"caption": "x", "id": "\\ud83d"}', "row 0: 'audio_id' holds half of a"),
        (
            "p.jsonl",
            '{"caption": "x", "id": ["y"]}',
            "row 0: expected text in column 'id', got a l",
        ),
        ("p.jsonl", '{"caption": ' + "[" * 10_000, "row 0: JSON that is nested too deep"),
        ("p.txt", "x", "unknown suffix '.txt'"),
        ("p.jsonl", '{"caption": "x", "timeline": "asr=0:1"}', "row 0: timeline 'asr=0:1' is no"),
        ("p.jsonl", '{"caption": "x", "timeline": {"start": 0}}', "row 0: a timeline is a list"),
        (
            "p.csv",
            'caption;timeline\nx;"[{""start"": 2, ""end"": 1, ""view"": ""asr""}]"\n',
            "row 0: event 1 of the timeline: event from 2 to 1 s",
        ),
        (
            "p.jsonl",
            '{"timeline": [{"start": 0, "end": 1, "view": "asr", "text": "x"}]}',
            "row 0: neither 'content' nor 'caption'",
        ),
    ],
)
def test_malformed_prompt_files(tmp_path: Path, name: str, text: str, message: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_prompts(tmp_path / name)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_timelines(tmp_path: Path, suffix: str):
    """Beside a caption, or instead of it."""
    said = [{"start": 0.5, "end": 1, "view": "asr", "text": "seven"}]
    scene = [{"start": 0, "end": 2, "view": "caption", "text": "rain"}]
    rows = [
        {"audio_id": "a", "caption": "a man", "timeline": said},
        {"audio_id": "b", "caption": None, "timeline": scene},
        {"audio_id": "c", "caption": "wind", "timeline": None},
    ]
    path = tmp_path / f"prompts{suffix}"
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["audio_id", "caption", "timeline"])
            writer.writeheader()
            for row in rows:
                text = json.dumps(row["timeline"]) if row["timeline"] else ""
                writer.writerow({**row, "timeline": text})
    else:
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    assert read_prompts(path) == [
        PromptRecord("a", StructuredCaption("a man"), None, (Event(0.5, 1, "asr", "seven"),)),
        PromptRecord("b", None, None, (Event(0, 2, "caption", "rain"),)),
        PromptRecord("c", StructuredCaption("wind")),
    ]


def test_missing_prompt_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no prompt file"):
        read_prompts(tmp_path / "absent.jsonl")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_as_spreadsheets_write_it(tmp_path: Path, encoding: str, delimiter: str, end: str):
    lines = [
        ("ID", " Caption", "ASR ", "SFX", "Note"),
        ("a", "rain\u2028and; more, \u0085\t狗", "", '"dog"', "x"),
        ("b", "wind", "hello", "", ""),
    ]
    text = end.join(
        delimiter.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines
    )
    path = tmp_path / "prompts.CSV"
    path.write_bytes((text + end).encode(encoding))
    with pytest.warns(UserWarning, match=r"prompts.CSV: columns that are not read: \['Note'\]"):
        first, second = read_prompts(path)
    caption = "rain\u2028and; more, \u0085\t狗"
    assert (first.audio_id, first.caption) == ("a", StructuredCaption(caption, sfx='"dog"'))
    assert (second.audio_id, second.caption) == ("b", StructuredCaption("wind", asr="hello"))


@pytest.mark.parametrize("encoding", ["cp1252", "gbk", "utf-16-le"])
def test_other_encodings_are_refused_by_the_name_of_the_file(tmp_path: Path, encoding: str):
    for name, text in (("p.csv", "caption\n§\n"), ("p.jsonl", '{"caption": "§"}\n')):
        (tmp_path / name).write_bytes(text.encode(encoding))
        with pytest.raises(ValueError, match=f"{name} is not text in UTF-8") as refusal:
            read_prompts(tmp_path / name)
        assert "\n" not in str(refusal.value)


def test_columns_that_nobody_reads_are_named_whatever_they_hold(tmp_path: Path):
    row = {"id": 3, "caption": "rain", "seed": 1, "duration": 2.0, "labels": ["Dog"], "x": {"y": 1}}
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(row))
    with pytest.warns(UserWarning, match="not read: .'seed', 'duration', 'labels', 'x'."):
        (record,) = read_prompts(path)
    assert (record.audio_id, record.caption) == ("3", StructuredCaption("rain"))


NAMES = st.sampled_from(
    ["caption", "Caption", "content", "id", "audio_id", "asr", "category", "long", "x"]
)


@given(
    st.lists(JSON | st.dictionaries(NAMES, JSON, max_size=4), min_size=1, max_size=4), st.binary()
)
def test_any_row_is_a_prompt_or_a_named_error(rows: list, noise: bytes):
    path = Path("p.jsonl")
    for contents in ("\n".join(map(json.dumps, rows)).encode(), noise):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                records, errors = parse_prompts(contents, path)
        except ValueError as error:
            assert "p.jsonl" in str(error)
            continue
        for record in records:
            (record.audio_id + record.caption.format()).encode()
        assert all(error.message.startswith(f"p.jsonl, row {error.row}: ") for error in errors)
        assert to_lines([{"error": error.message} for error in errors]).count(b"\n") == len(errors)


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_csv_is_prompts_or_a_named_error(text: str):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parse_prompts(("caption,asr\n" + text).encode(), Path("p.csv"))
    except ValueError as error:
        assert "p.csv" in str(error)


def test_parquet(tmp_path: Path):
    """Read where pyarrow is installed; a clear error where it is not."""
    path = tmp_path / "prompts.parquet"
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(ValueError, match="needs pyarrow"):
            read_prompts(path)
        return
    audio = {"bytes": b"RIFF", "path": "a.wav"}
    rows = [{"caption": "rain", "env": None, "audio": audio, "embedding": [0.5] * 4, "ID": 7}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    with pytest.warns(UserWarning, match="not read: .'audio', 'embedding'."):
        (record,) = read_prompts(path)
    assert (record.audio_id, record.caption) == ("7", StructuredCaption("rain"))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="prompts.parquet is no parquet file"):
        read_prompts(path)


def test_too_many_malformed_rows_stop_before_anything_is_made(tmp_path: Path):
    path = tmp_path / "p.jsonl"
    path.write_text("[]\n" * 21 + '{"caption": "x"}\n' * 390)
    with pytest.raises(ValueError, match="21 of 411 rows of .*p.jsonl, row 0: expected a JSON"):
        scan_prompts(path)
    path.write_text("[]\n" * 21 + '{"caption": "x"}\n' * 399)
    assert len(scan_prompts(path)[1]) == 21


def test_malformed_rows_are_set_aside(tmp_path: Path):
    path = tmp_path / "prompts.jsonl"
    lines = [json.dumps({"audio_id": f"clip{i}", "caption": f"rain {i}"}) for i in range(100)]
    lines[57] = lines[57][:-3]
    path.write_text("\n".join(lines))
    records, (error,) = scan_prompts(path)
    assert len(records) == 99 and error.row == 57
    assert error.message.startswith(f"{path}, row 57: not JSON")
    lines[60] = lines[12]
    path.write_text("\n".join(lines))
    with pytest.raises(
        ValueError, match="row 60: audio_id 'clip12' appears twice, first in row 12"
    ):
        scan_prompts(path)


def test_mecat(tmp_path: Path):
    clip = {
        "short": ["Rain."],
        "long": ["Steady rain on a roof.", "Rain."],
        "speech": ["None"],
        "music": ["None."],
        "sound": ["Rain falling steadily."],
        "environment": ["Outdoors."],
        "domain": "0",
    }
    path = tmp_path / "00A.jsonl"
    path.write_text(json.dumps({"a_1": clip}) + "\n" + json.dumps({"a_2": {"short": ["x"]}}))
    (record,), (error,) = scan_prompts(path)
    assert record.audio_id == "a_1"
    assert record.caption == StructuredCaption(
        "Steady rain on a roof.", sfx="Rain falling steadily.", env="Outdoors."
    )
    assert "clip 'a_2' has no 'long' caption" in error.message


def test_audiocaps(tmp_path: Path):
    path = tmp_path / "test.csv"
    path.write_text(
        "audiocap_id,youtube_id,start_time,caption\n7,abc,20,A dog barks\n8,abc,20,Bark\n"
    )
    assert [(r.audio_id, r.caption.caption) for r in read_prompts(path)] == [
        ("7", "A dog barks"),
        ("8", "Bark"),
    ]
