"""Prompt files of every shape in use, and what is wrong with the others."""

import json
import re
from pathlib import Path

import pytest

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.input.prompts import read_prompts, scan_prompts

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
        ("p.txt", "x", "unknown suffix '.txt'"),
    ],
)
def test_malformed_prompt_files(tmp_path: Path, name: str, text: str, message: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_prompts(tmp_path / name)


def test_missing_prompt_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no prompt file"):
        read_prompts(tmp_path / "absent.jsonl")


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
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"caption": "rain", "env": None}]), path)
    assert read_prompts(path)[0].caption == StructuredCaption("rain")


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
