"""Clips by id: folders as they come, lists, and what is refused."""

import dataclasses
import json
from pathlib import Path

import pytest
import soundfile

from audiogen_jax.evaluate.benchmarks.clip_files import (
    list_sha256,
    read_clip_files,
    sound_sha256,
)
from audiogen_jax.evaluate.benchmarks.clip_values import (
    check_sounds,
    read_scores,
    read_transcripts,
)
from tests.evaluate.benchmarks.sounds import RATE, sound, write_folder


def write_lines(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_folder_of_another_system(tmp_path):
    folder = write_folder(tmp_path / "made", [0, 1])
    (folder / "deep").mkdir()
    soundfile.write(folder / "deep" / "a%2Fb.flac", sound(2), RATE)
    for name in ("notes.txt", ".hidden.wav", "prompts.csv"):
        (folder / name).write_text("no audio")
    clips = read_clip_files(folder)
    assert [clip.clip_id for clip in clips] == ["0", "1", "deep/a/b"]
    assert clips[0].path == folder / "0.wav" and clips[0].category is None


def test_a_manifest_says_what_is_there(tmp_path):
    folder = write_folder(tmp_path, [0, 1, 2])
    write_lines(
        folder / "manifest.jsonl",
        {"id": "y", "file": "1.wav", "category": "S00"},
        {"id": "x", "file": "0.wav", "category": None},
    )
    clips = read_clip_files(folder)
    assert [(clip.clip_id, clip.category) for clip in clips] == [("x", None), ("y", "S00")]


def test_formats_of_the_same_integers_have_one_hash(tmp_path):
    formats = {"a": (".wav", "PCM_16"), "b": (".flac", "PCM_24"), "c": (".wav", "PCM_24")}
    folders = [
        write_folder(tmp_path / name, [0, 1], suffix, subtype=subtype)
        for name, (suffix, subtype) in formats.items()
    ]
    assert len({list_sha256(read_clip_files(folder)) for folder in folders}) == 1
    other = write_folder(tmp_path / "d", [0, 2])
    assert list_sha256(read_clip_files(other)) != list_sha256(read_clip_files(folders[0]))


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder or list of audio"):
        read_clip_files(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no audio"):
        read_clip_files(tmp_path / "empty")
    (write_folder(tmp_path / "mixed", [0]) / "1.M4A").write_bytes(b"aac")
    with pytest.raises(ValueError, match="1.M4A: .M4A is not read; convert it"):
        read_clip_files(tmp_path / "mixed")
    (tmp_path / "list.txt").write_text("0.wav")
    with pytest.raises(ValueError, match="expected a folder of audio, or a list"):
        read_clip_files(tmp_path / "list.txt")
    folder = write_folder(tmp_path / "twice", [0])
    soundfile.write(folder / "0.flac", sound(0), RATE)
    with pytest.raises(ValueError, match=r"0\.flac and .*0\.wav have one id, '0'"):
        read_clip_files(folder)
    rows = tmp_path / "rows.jsonl"
    for row, message in (
        ({"audio_id": "a", "path": "gone.wav"}, "row 1: no audio file at"),
        ({"path": "twice/0.wav"}, "expected text in audio_id or id"),
        ({"audio_id": "a"}, "expected text in path"),
        ({"audio_id": "a", "path": "twice/0.wav", "category": 0.5}, "expected text in category"),
    ):
        with pytest.raises((ValueError, OSError), match=message):
            read_clip_files(write_lines(rows, row))


def test_what_others_said(tmp_path):
    path = tmp_path / "said.jsonl"
    write_lines(
        path, {"id": 7, "text": "", "model": "w"}, {"id": "b", "transcript": "hi", "model": "w"}
    )
    assert read_transcripts(path).texts == {"7": "", "b": "hi"}
    assert read_transcripts(path).model == "w"
    write_lines(path, {"id": "a", "UTMOSv2": 3, "path": "a.wav", "n": None}, {"id": "b", "pq": 2.5})
    assert read_scores(path) == {"utmosv2": {"a": 3.0}, "pq": {"b": 2.5}}
    for rows, message, reader in (
        ([{"id": "a", "text": "x"}], 'expected the same "model"', read_transcripts),
        ([{"id": "a", "text": "x", "model": m} for m in "vw"], "twice", read_transcripts),
        ([{"id": m, "text": "x", "model": m} for m in "vw"], r"\['v', 'w'\]", read_transcripts),
        ([{"id": "a", "text": 3, "model": "w"}], "expected a text", read_transcripts),
        ([{"id": "a", "pq": float("nan")}], "expected a finite number", read_scores),
        ([{"id": "a", "pq": "high"}], "no row holds a number", read_scores),
        ([{"id": "a", "pq": 1}] * 2, "appears twice", read_scores),
        ([], "holds no rows", read_scores),
    ):
        with pytest.raises(ValueError, match=message):
            reader(write_lines(path, *rows))


def test_lists_of_other_sounds_are_known(tmp_path):
    """Clips made again under the same names have not been heard by who made the list."""
    clips = read_clip_files(write_folder(tmp_path / "made", [0, 1]))
    rows = [{"id": clip.clip_id, "text": "", "model": "w"} for clip in clips]
    theirs = write_lines(tmp_path / "theirs.jsonl", *rows)
    sounds = [{"sound_sha256": sound_sha256(clip.path)} for clip in clips]
    ours = write_lines(
        tmp_path / "ours.jsonl", *(row | s for row, s in zip(rows, sounds, strict=True))
    )
    write_folder(tmp_path / "made", [0, 1], ".flac")  # the same samples
    check_sounds(ours, [dataclasses.replace(c, path=c.path.with_suffix(".flac")) for c in clips])
    soundfile.write(tmp_path / "made" / "1.wav", sound(2), RATE)
    check_sounds(theirs, clips)
    with pytest.raises(ValueError, match="ours.jsonl is of other sounds: .*1.wav has changed"):
        check_sounds(ours, clips)
