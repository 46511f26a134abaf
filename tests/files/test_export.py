"""What a file says of its making, read back by FFmpeg, wavinfo and libsndfile."""

import ast
import dataclasses
import io
import json
import os
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import wavinfo

from audiogen_jax.files import broadcast_wave
from audiogen_jax.files.audio import read_audio
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.export import beside, check_clip, check_suffix, export, write_export
from audiogen_jax.files.marking import Marking
from audiogen_jax.files.provenance import MadeWith, Provenance, read_provenance
from audiogen_jax.timeline import Event
from tests.structure import FILES, PACKAGE, tree

RATE = 16000
NOISE = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
PROMPT = "<|caption|> Ein Hund bellt „laut“ \U0001f415 <|asr|> seven <|sfx|> " + "a bark, " * 300
MADE = Provenance(
    "generate",
    MadeWith("nano", "0f" * 32),
    PROMPT,
    seed=7,
    id="0",
    options={"steps": 25, "guidance": 5.0},
    timeline=(Event(0.25, 0.5, "asr", "seven"), Event(0.75, 9.0, "sfx"), Event(5, 6, "env")),
)
FORMATS = (".wav", ".flac", ".mp3", ".ogg", ".opus")


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_says_what_made_it(tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    made = write_export(path, NOISE, RATE, MADE)
    record = read_provenance(path)
    assert record == MADE.record() == made.record
    assert record["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert (record["prompt"], record["seed"], record["options"]["steps"]) == (PROMPT, 7, 25)
    sidecar = json.loads(beside(path).read_text())
    assert sidecar == {**sidecar, **record, "file": path.name, "duration": 1.0}
    with av.open(path) as container:  # FFmpeg's reader
        told = {**container.metadata, **container.streams.audio[0].metadata}
    told = {name.lower(): text for name, text in told.items()}
    assert json.loads(told["comment"]) == record
    assert told["title"].startswith("AI-generated audio: Ein Hund bellt")
    sound = read_audio(path, RATE)
    assert abs(len(sound.samples) - RATE) < 1500
    if suffix in (".wav", ".flac"):
        assert np.abs(sound.samples[:, 0] - NOISE).max() < 2**-15
        assert export(NOISE, RATE, suffix, MADE).contents == path.read_bytes()


def test_only_when_asked_nothing_is_said(tmp_path: Path):
    for suffix in FORMATS:
        path = tmp_path / f"a{suffix}"
        assert write_export(path, NOISE, RATE, MADE, marking=Marking(False)).record is None
        assert read_provenance(path) is None and not beside(path).exists()
    soundfile.write(tmp_path / "b.wav", NOISE, RATE)
    assert (tmp_path / "b.wav").read_bytes()[:44] == (tmp_path / "a.wav").read_bytes()[:44]


def test_broadcast_wave_by_other_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    path = tmp_path / "a.wav"
    delivery = Delivery(-20, -1, 48000, 2)
    write_export(path, NOISE, RATE, MADE, delivery, subtype="PCM_24", time_reference=1000)
    info = wavinfo.WavInfoReader(path)
    bext = info.bext
    assert (bext.originator, bext.time_reference) == ("audiogen-jax 0.2.0", 3000)
    assert bext.description.startswith("AI-generated audio: Ein Hund bellt ?laut?")
    assert (bext.originator_date, bext.originator_time) == ("2026-01-01", "00:00:00")
    assert bext.coding_history == "A=PCM,F=48000,W=24,M=stereo,T=audiogen-jax 0.2.0;nano\r\n"
    assert bext.loudness_value == pytest.approx(-20, abs=0.1) and bext.max_true_peak < -1
    markers = {cue.name: (cue.sample_offset, info.cues.range(cue.name)) for cue in info.cues.cues}
    labels = [info.cues.label_and_note(number)[0] for number in markers]
    assert labels == ["asr: seven", "sfx"]
    assert [start for start, _ in markers.values()] == [12000, 36000]
    assert [length for _, length in markers.values()] == [12000, 12000]
    assert info.info.software == "audiogen-jax 0.2.0" and json.loads(info.info.comment)
    xml = ET.fromstring(next(c.body for c in chunks(path) if c.id == b"iXML"))
    assert xml.findtext("SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO") == "3000"
    points = xml.findall("SYNC_POINT_LIST/SYNC_POINT")
    assert [point.findtext("SYNC_POINT_LOW") for point in points] == ["12000", "36000"]
    with av.open(path) as container:
        assert container.metadata["time_reference"] == "3000"
        assert container.metadata["coding_history"].startswith("A=PCM,F=48000")
    assert [c.id for c in chunks(path)][:2] == [b"fmt ", b"bext"]
    assert soundfile.info(path).frames == 48000
    assert broadcast_wave.first_sample(path) == 3000


def test_files_have_no_time_of_their_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    made = export(NOISE, RATE, ".wav", MADE, subtype="FLOAT")
    ids = [chunk.id for chunk in broadcast_wave.read_chunks(made.contents)]
    assert b"PEAK" not in ids  # of libsndfile, with the second of writing
    (bext,) = (c for c in broadcast_wave.read_chunks(made.contents) if c.id == b"bext")
    assert bext.body[320:338] == bytes(18)
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(made.contents))[0], NOISE)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ValueError, match="SOURCE_DATE_EPOCH='yesterday': expected seconds"):
        export(NOISE, RATE, ".wav", MADE)


def test_what_other_files_say_does_not_break_ours(tmp_path: Path):
    late = export(NOISE, RATE, ".wav", MADE, Delivery(sample_rate=48000), time_reference=2**63)
    path = tmp_path / "a.wav"
    path.write_bytes(late.contents)
    assert broadcast_wave.first_sample(path) == 0  # three times as much is more than it holds
    assert broadcast_wave.first_sample(io.BytesIO(late.contents)) == 0
    faint = export(1e-20 * NOISE, RATE, ".wav", MADE, Delivery(true_peak=-1))
    (bext,) = (c for c in broadcast_wave.read_chunks(faint.contents) if c.id == b"bext")
    assert struct.unpack_from("<h", bext.body, 416) == (0x7FFF,)
    made = dataclasses.replace(MADE, made_with=MadeWith("my\r\nA=MPEG1,dogs", "0f" * 32))
    (bext,) = (c for c in broadcast_wave.read_chunks(export(NOISE, RATE, ".wav", made).contents)
               if c.id == b"bext")  # fmt: skip
    assert bext.body[602:].endswith(b";my A=MPEG1 dogs\r\n") and bext.body.count(b"\r\n") == 1
    named = tmp_path / os.fsdecode(b"\xff.flac")  # in another encoding
    write_export(named, NOISE, RATE, MADE)
    assert json.loads(beside(named).read_text())["file"] == named.name


def test_formats_that_do_not_hold_a_rate_or_so_many_channels():
    made = export(NOISE, 44100, ".opus", MADE)
    assert made.sample_rate == 48000 and len(made.samples) == round(RATE * 48000 / 44100)
    assert made.changes == ("resampled 44100 Hz to 48000 Hz",)
    for suffix, rate, held in ((".opus", 44100, 48000), (".mp3", 96000, 48000)):
        with pytest.raises(ValueError, match=f"{rate}: {suffix} does not hold it, but {held} Hz"):
            check_suffix(Path(f"a{suffix}"), Marking(), Delivery(sample_rate=rate))
    check_clip(".mp3", Delivery(channels=1), 1.0, RATE, 6)
    check_clip(".flac", Delivery(sample_rate=96000), 1.0, 768_000, 6)
    with pytest.raises(ValueError, match=r"cannot write .flac of PCM_16 at 768000 Hz"):
        check_clip(".flac", Delivery(), 1.0, 768_000, 1)
    with pytest.raises(ValueError, match=".mp3 holds no 6 channels, but 2"):
        check_clip(".mp3", Delivery(), 1.0, RATE, 6)


def test_markers_of_a_loop_stay_with_their_sounds():
    made = export(NOISE, RATE, ".wav", MADE, Delivery(loop=0.25))
    (cue,) = (c for c in broadcast_wave.read_chunks(made.contents) if c.id == b"cue ")
    (count,) = struct.unpack_from("<I", cue.body)
    starts = [struct.unpack_from("<I", cue.body, 4 + 24 * i + 20)[0] for i in range(count)]
    assert starts == [4000, 0] and len(made.samples) == 12000  # the third is after the clip


def test_what_is_said_fits_what_was_done():
    kinds = {
        Provenance("generate", MADE.made_with).source_type,
        Provenance("generate", MADE.made_with, recording=True).source_type,
        Provenance("edit", MADE.made_with).source_type,
    }
    assert {kind.rpartition("/")[2] for kind in kinds} == {
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
    }
    delivered = export(NOISE, RATE, ".wav", MADE, Delivery(-16)).record
    assert delivered["delivery"] == {"loudness": -16}


def test_names_of_checkpoints_tell_no_paths():
    cached = Path("/home/me/.cache/models--HKUSTAudio--Audio-Omni/snapshots/abc")
    assert MadeWith.of_folder(cached, "").name == "HKUSTAudio/Audio-Omni"
    assert MadeWith.of_folder(Path("/home/me/secret/dogs"), "").name == "dogs"


def test_other_suffixes_and_damaged_files_are_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"cannot write '\.aac' audio, expected one of \.wav"):
        write_export(tmp_path / "a.aac", NOISE, RATE, MADE)
    with pytest.raises(ValueError, match="silent"):
        write_export(tmp_path / "a.wav", 0 * NOISE, RATE, MADE)
    assert not list(tmp_path.iterdir())
    (tmp_path / "b.wav").write_bytes(b"text")
    with pytest.raises(ValueError, match="is not audio"):
        read_provenance(tmp_path / "b.wav")
    whole = export(NOISE, RATE, ".wav", MADE).contents
    with pytest.raises(ValueError, match="cut short"):
        [*broadcast_wave.read_chunks(whole[:-9])]


def test_a_peak_over_full_scale_is_told(tmp_path: Path):
    for suffix in (".wav", ".ogg"):
        with pytest.warns(UserWarning, match="peak of 4.0. is over full scale"):
            made = write_export(tmp_path / f"a{suffix}", NOISE / NOISE.max() * 4, RATE, MADE)
        assert made.gain_db < -12


def chunks(path: Path) -> list[broadcast_wave.Chunk]:
    return [*broadcast_wave.read_chunks(path.read_bytes())]


WRITERS = {"write_audio", "encode_audio", "encode_lossy", "soundfile.write"}
INSIDE = {"files/audio.py", "files/audio_encoding.py", "files/lossy.py", "files/export.py"}
EVALUATION = {"evaluate/html.py", "evaluate/benchmarks/judging.py"}
"""A page holds the protocol that names the checkpoint; a judge hears the files of any system."""


def writes(path: Path) -> set[str]:
    """What a module calls that makes a file of audio."""
    calls = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            modes = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
            opens = any(isinstance(m, ast.Constant) and m.value != "r" for m in modes)
            if name in WRITERS or (name == "soundfile.SoundFile" and opens):
                calls.add(name)
    return calls


def test_no_exit_goes_around_the_export(tmp_path: Path):
    found = {str(path.relative_to(PACKAGE)): writes(path) for path in FILES}
    assert {name for name, calls in found.items() if calls} == INSIDE | EVALUATION
    assert found["files/export.py"] == {"encode_audio", "encode_lossy"}
    around = tmp_path / "around.py"
    around.write_text("def f(x):\n  soundfile.SoundFile(x, 'w')\n  soundfile.write(x)\n")
    assert writes(around) == {"soundfile.SoundFile", "soundfile.write"}
