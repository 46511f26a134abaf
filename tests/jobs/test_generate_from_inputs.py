"""Batch files with words, voices, sounds and videos beside captions."""

import json

import numpy as np
import pytest
import soundfile

import audiogen_jax as ag
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.input.prompts import read_prompts
from audiogen_jax.jobs.generate_clips import BatchSettings, run_batch
from tests import tiny_omni
from tests.films import write_video
from tests.parity.golden import error

SETTINGS = BatchSettings(options=SamplingOptions(steps=2))
ROWS = (
    {"id": "rain", "caption": "rain", "category": "00A"},
    {"id": "words", "transcript": "Hello"},
    {"id": "voice", "transcript": "Hello", "voice": "me.wav", "voice_text": "Good day"},
    {"id": "audio", "caption": "more of this", "audio": "me.wav"},
    {"id": "film", "video": "film.mp4", "category": "0M0"},
    {"id": "lost", "caption": "a film", "video": "none.mp4"},
    {"id": "bytes", "caption": "rain", "audio": {"bytes": "…"}},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    tiny_omni.write_checkpoint(folder / "model")
    noise = 0.1 * np.random.default_rng(0).standard_normal(800)
    soundfile.write(folder / "me.wav", noise, 8000, "FLOAT")
    write_video(folder / "film.mp4", np.arange(5) / 25)
    rows = [json.dumps(row) + "\n" for row in ROWS]
    (folder / "prompts.jsonl").write_text("".join(rows))
    return folder


def test_every_row_has_its_clip(folder):
    done = run_batch(
        folder / "prompts.jsonl", folder / "out", SETTINGS, checkpoint=folder / "model"
    )
    assert (done.made, done.errors) == (6, 1)
    rows = (folder / "out" / "manifest.jsonl").read_text().splitlines()
    made = {row["id"]: row for row in map(json.loads, rows)}
    assert made["film"]["category"] == "0M0" and made["film"]["duration"] == 0.2
    assert made["words"]["prompt"] == "Hello"
    (lost,) = (folder / "out" / "errors.jsonl").read_text().splitlines()
    assert json.loads(lost)["id"] == "lost" and "none.mp4" in lost
    pipeline = ag.load(folder / "model")
    voice = {"voice": folder / "me.wav", "voice_text": "Good day"}
    (clip,) = pipeline.generate(None, steps=2, ids=["voice"], transcript="Hello", **voice)
    found, rate = soundfile.read(folder / "out" / made["voice"]["file"])
    assert rate == 8000 and found.shape == clip.audio.shape
    peak = np.abs(clip.audio).max()
    assert error(found / np.abs(found).max(), clip.audio / peak) < 1e-3


def test_a_model_that_reads_captions_alone(folder, tiny_checkpoint, tmp_path):
    settings = BatchSettings(options=SamplingOptions(steps=1), duration=0.2)
    with pytest.warns(UserWarning, match=r"captions alone, no \['audio', 'video'\]"):
        done = run_batch(
            folder / "prompts.jsonl", tmp_path / "out", settings, checkpoint=tiny_checkpoint
        )
    assert (done.made, done.errors) == (4, 3)
    assert "captions alone, no ['transcript']" in (tmp_path / "out" / "errors.jsonl").read_text()


def test_columns(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text("id,Transcript,voice,voice_text\na,Hello,me.wav,Good day\n")
    (record,) = read_prompts(path)
    assert record.caption is None
    assert dict(record.inputs) == {
        "transcript": "Hello", "voice": "me.wav", "voice_text": "Good day"
    }  # fmt: skip
    path = tmp_path / "prompts.jsonl"
    times = [{"view": "sfx", "text": "a dog", "start": 0, "end": 1}]
    path.write_text(json.dumps({"caption": "rain", "transcript": "a", "timeline": times}))
    with pytest.raises(ValueError, match="a timeline beside"):
        read_prompts(path)
