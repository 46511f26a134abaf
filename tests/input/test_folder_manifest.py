"""Manifests of folders of recordings: what is found, its captions, its split, what is left out."""

import json
import os
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.input.folder_manifest import build_manifest
from audiogen_jax.input.manifest import read_manifest

TONE = 0.3 * np.sin(np.arange(1600) / 5)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wavs").mkdir()
    return Path("wavs")


def record(path: Path, samples=None, **options) -> Path:
    """A tone of a level of its own, if there are no samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if samples is None:
        samples = TONE * (0.5 + zlib.crc32(str(path).encode()) / 2**33)
    soundfile.write(path, samples, 16000, **options)
    return path


def captions_of(rows) -> dict[str, object]:
    return {row["audio_id"]: row["caption"] for row in rows}


def test_every_container_in_nested_folders(folder):
    record(folder / "dog" / "1-100032-A.wav", subtype="FLOAT")
    record(folder / "dog" / "x.FLAC", format="FLAC")
    record(folder / "rain" / "deep" / "a.ogg")
    record(folder / "thunder_storm.mp3")
    record(folder / "a.aiff", np.stack([TONE, TONE], axis=1))
    for name in (".hidden.wav", ".trash/b.wav", "._a.wav"):  # of file managers
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    (folder / "notes.pdf").write_bytes(b"")
    made = build_manifest(folder)
    records = read_manifest("manifest.jsonl")
    assert [r.audio_id for r in records] == [
        "a", "dog/1-100032-A", "dog/x", "rain/deep/a", "thunder_storm"
    ]  # fmt: skip
    assert all(r.path.is_file() and 0.09 < r.duration < 0.2 for r in records)
    assert {row["sample_rate"] for row in made.rows} == {16000}
    assert captions_of(made.rows) == {
        "a": "wavs",
        "dog/1-100032-A": "dog",
        "dog/x": "dog",
        "rain/deep/a": "deep",
        "thunder_storm": "thunder storm",
    }
    assert made.left_out == []
    assert made.notes[0] == (
        "captions: 3 after their folders, 1 after the folder of all, 1 after their names"
    )
    assert sorted(r.split for r in records).count("val") >= 1


def test_the_same_files_give_the_same_bytes(folder):
    for i in range(40):
        record(folder / f"{i:02}.wav")
    made = build_manifest(folder, "one.jsonl")
    build_manifest(folder, "sub/two.jsonl")
    splits = {row["audio_id"]: row["split"] for row in made.rows}
    again = [json.loads(line) for line in Path("sub/two.jsonl").read_text().splitlines()]
    assert {row["audio_id"]: row["split"] for row in again} == splits
    assert all((Path("sub") / row["path"]).is_file() for row in again)
    assert 1 <= list(splits.values()).count("val") <= 12
    for i in range(40, 50):
        record(folder / f"{i:02}.wav")
    more = {row["audio_id"]: row["split"] for row in build_manifest(folder, "three.jsonl").rows}
    assert splits.items() <= more.items()  # nobody changes sides


def test_what_cannot_be_used_is_named(folder):
    record(folder / "good.wav")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (folder / "raw.raw").write_bytes(b"\0" * 100)
    record(folder / "silent.wav", np.zeros(1600))
    record(folder / "nan.wav", np.full(1600, np.nan), subtype="FLOAT")
    cut = record(folder / "cut.flac", np.random.default_rng(0).normal(0, 0.1, 16000))
    cut.write_bytes(cut.read_bytes()[:5000])
    os.rename(record(folder / "x.wav"), os.fsencode(folder) + b"/caf\xe9.wav")
    made = build_manifest(folder)
    assert [row["audio_id"] for row in made.rows] == ["good"]
    reasons = {left.path: left.reason for left in made.left_out}
    assert reasons.keys() == {
        "empty.wav", "film.mp4", "raw.raw", "silent.wav", "nan.wav", "cut.flac", "caf\\xe9.wav"
    }  # fmt: skip
    assert reasons["silent.wav"] == "is silent throughout"
    assert reasons["empty.wav"] == "is an empty file (0 bytes)"
    assert reasons["film.mp4"] and reasons["raw.raw"]
    (folder / "good.wav").unlink()
    with pytest.raises(ValueError, match="none of the 7 recordings in wavs can be used: .*empty"):
        build_manifest(folder, "two.jsonl")


def test_links_that_go_round(folder):
    record(folder / "a" / "x.wav")
    (folder / "a" / "up").symlink_to(folder.absolute())
    (folder / "b").symlink_to((folder / "a").absolute())
    assert [row["audio_id"] for row in build_manifest(folder).rows] == ["a/x"]


def test_paths_as_they_were_given(folder):
    """Relative to the manifest, also through links, unless `..` would lead elsewhere."""
    record(Path("real/far/a.wav"))
    Path("link").symlink_to(Path("real/far").absolute())
    (Path("real") / "manifests").mkdir()
    Path("out").symlink_to(Path("real/manifests").absolute())
    assert build_manifest("link", "m.jsonl").rows[0]["path"] == "link/a.wav"
    assert build_manifest("link", "out/m.jsonl").rows[0]["path"] == "../far/a.wav"
    assert build_manifest("real", "new/folder/m.jsonl").rows[0]["path"] == "../../real/far/a.wav"
    for manifest in ("m.jsonl", "out/m.jsonl", "new/folder/m.jsonl"):
        assert read_manifest(manifest)[0].path.is_file()


@pytest.mark.parametrize(
    "table",
    [
        "file_name,caption,sfx\na.wav,A dog.,dog\nsub/b.wav,Rain.,\n",
        "\ufeffsfx,Caption , FileName\ndog,A dog.,C:\\data\\wavs\\a.wav\n,Rain.,wavs/sub/b.wav\n",
        "File Name;text;sfx\n/home/me/a;A dog.;dog\n./b.flac;Rain.;\n",
        "file_name,caption\na.wav,<|caption|> A dog. <|sfx|> dog\nb.wav,<|caption|> Rain.\n",
    ],
)
def test_tables(folder, table: str):
    for name in ("a.wav", "sub/b.wav"):
        record(folder / name)
    Path("t.csv").write_text(table, encoding="utf-8")
    rows = {row["audio_id"]: row for row in build_manifest(folder, captions="t.csv").rows}
    assert (rows["a"]["caption"], rows["a"]["sfx"]) == ("A dog.", "dog")
    assert rows["sub/b"]["caption"] == "Rain." and "sfx" not in rows["sub/b"]


def test_phrasings_and_splits(folder):
    for name in ("a.wav", "b.wav", "c.wav"):
        record(folder / name)
    Path("t.csv").write_text(
        "file_name,caption_1,caption_2,split\na.wav,A dog.,A bark.,validation\n"
        "b.wav,Rain.,,train\nb.wav,It rains.,,\nc.wav,Wind.,,\n"
    )
    made = build_manifest(folder, captions="t.csv", val=0.5)
    assert [(row["caption"], row["split"]) for row in made.rows] == [
        (["A dog.", "A bark."], "val"),
        (["Rain.", "It rains."], "train"),
        ("Wind.", "train"),
    ]


def test_a_split_that_is_none_is_not_training(folder):
    for name in "abc":
        record(folder / f"{name}.wav")
    Path("t.csv").write_text("file,caption,split\na,rain,held-out\nb,wind,Validation\nc,sea,\n")
    made = build_manifest(folder, captions="t.csv")
    assert [(row["audio_id"], row["split"]) for row in made.rows] == [("b", "val"), ("c", "train")]
    (left,) = made.left_out
    assert left.path == "a.wav" and "is of the split 'held-out': expected one of" in left.reason


def test_accents_are_composed_in_two_ways(folder):
    record(folder / unicodedata.normalize("NFD", "Vögel.wav"))
    table = unicodedata.normalize("NFC", "file_name,caption\nVögel.wav,Birds.\n")
    Path("t.csv").write_text(table, encoding="utf-8")
    assert build_manifest(folder, captions="t.csv").rows[0]["caption"] == "Birds."


def test_files_beside_recordings(folder):
    for name in ("a.wav", "b.wav", "c.wav", "d.wav"):
        record(folder / name)
    (folder / "a.txt").write_text("\ufeffA dog\nbarks.\n", encoding="utf-8")
    (folder / "b.json").write_text('{"caption": ["Rain.", "It rains."], "env": "rain"}')
    (folder / "c.json").write_text("{")
    made = build_manifest(folder)
    assert captions_of(made.rows) == {
        "a": "A dog barks.", "b": ["Rain.", "It rains."], "d": "wavs"
    }  # fmt: skip
    assert made.rows[1]["env"] == "rain"
    assert [left.path for left in made.left_out] == ["c.wav"]
    assert made.left_out[0].reason.startswith("c.json beside it cannot be read: not JSON")


def test_a_recording_that_the_table_does_not_describe(folder):
    for name in ("a.wav", "b.wav"):
        record(folder / name)
    Path("t.csv").write_text("file_name,caption\na.wav,A dog.\nz.wav,A cat.\n")
    made = build_manifest(folder, captions="t.csv")
    assert captions_of(made.rows) == {"a": "A dog."}
    assert made.left_out == [("b.wav", "has no caption in t.csv")]
    assert "1 rows of t.csv are about recordings that are not there, first 'z.wav'" in made.notes


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,caption\na.wav,x\n", r"has the columns \['name', 'caption'\]: expected one of"),
        ("file_name,caption\nz.wav,x\n", r"none of the 3 recordings in wavs: .*\['z.wav'\]"),
        ("file_name,caption\n1.wav,x\n", "'1.wav' may be 'sub/1.wav' or 'sup/1.wav'"),
        ("file_name,caption\nx/a.wav,x\na.wav,y\n", "'a.wav' and 'x/a.wav' may both be 'a.wav'"),
        ("file_name,caption\na.wav,<|capt|> x\n", "none of the 3 recordings"),
        ("file_name,caption\na.wav,x,y,z\n", "t.csv, row 0: more cells than columns"),
    ],
)
def test_tables_that_are_refused(folder, table: str, message: str):
    for name in ("a.wav", "sub/1.wav", "sup/1.wav"):
        record(folder / name)
    Path("t.csv").write_text(table)
    with pytest.raises(ValueError, match=message):
        build_manifest(folder, captions="t.csv")
    assert not Path("manifest.jsonl").exists()


def test_a_row_of_another_folder_is_not_taken(folder):
    record(folder / "train" / "1.wav")
    Path("t.csv").write_text("file_name,caption\ntest/1.wav,of the test\ntrain/1.wav,mine\n")
    assert captions_of(build_manifest(folder, captions="t.csv").rows) == {"train/1": "mine"}


def test_equal_captions_are_noticed(folder):
    for i in range(3):
        record(folder / f"{i}.wav")
    assert "every clip has the same caption 'wavs'" in build_manifest(folder).notes[1]


def test_nothing_is_overwritten_unasked(folder):
    record(folder / "a.wav")
    Path("manifest.jsonl").write_text("mine")
    with pytest.raises(FileExistsError, match="manifest.jsonl exists: .*--overwrite"):
        build_manifest(folder)
    assert Path("manifest.jsonl").read_text() == "mine"
    build_manifest(folder, overwrite=True)
    assert len(read_manifest("manifest.jsonl")) == 1


@pytest.mark.parametrize("output", ["wavs/a.wav", "captions.csv", "link.jsonl"])
def test_what_the_manifest_is_made_of_is_never_replaced(folder, output):
    path = record(folder / "a.wav")
    Path("captions.csv").write_text("file,caption\na.wav,rain\n")
    Path("link.jsonl").symlink_to(path)
    before = Path(output).read_bytes()
    with pytest.raises(ValueError, match="is what the manifest would be made of"):
        build_manifest(folder, output, captions="captions.csv", overwrite=True)
    assert Path(output).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("बारिश की आवाज़_2", "बारिश की आवाज़"),
        ("เสียงฝน 01", "เสียงฝน"),
        ("дождь и 雨", "дождь и 雨"),
        ("می‌بارد", "می‌بارد"),
        ("dog_bark-03b", "dog bark"),
    ],
)
def test_names_in_any_script_are_captions(folder, name, caption):
    record(folder / f"{name}.wav")
    assert captions_of(build_manifest(folder).rows) == {name: caption}


def test_nothing_to_read(folder):
    with pytest.raises(ValueError, match="no recordings in wavs: looked for files that end in .ai"):
        build_manifest(folder)
    with pytest.raises(FileNotFoundError, match="no folder absent"):
        build_manifest("absent")
    with pytest.raises(ValueError, match="val=1.0: expected a share"):
        build_manifest(folder, val=1.0)


def test_copies_are_on_one_side(folder):
    for number in range(6):
        record(folder / f"{number}.wav", TONE)
        record(folder / f"a take {number}.flac")
    rows = build_manifest(folder, val=0.5).rows
    copies = {row["audio_id"]: row["split"] for row in rows if row.get("recording") == "0"}
    assert [*copies] == [*"012345"] and len({*copies.values()}) == 1
    assert len({row["split"] for row in rows}) == 2


def test_two_of_one_name_and_two_formats(folder):
    record(folder / "a.wav")
    record(folder / "a.flac")
    assert [row["audio_id"] for row in build_manifest(folder).rows] == ["a.flac", "a.wav"]
