import numpy as np
import pytest
import soundfile

from audiogen_jax.input.manifest import read_manifest
from data.synthesize_speech import EDGE_SECONDS, PEAK, VOICES, main, speak, synthesize


@pytest.fixture
def espeak(tmp_path, monkeypatch):
    """A stand-in for espeak-ng: half a second of tone between silences, at 22.05 kHz."""
    tone = 0.2 * np.sin(2 * np.pi * 300 * np.arange(11025) / 22050)
    folder = tmp_path / "bin"
    folder.mkdir()
    soundfile.write(folder / "voice.wav", np.pad(tone, 8000), 22050)
    program = folder / "espeak-ng"
    program.write_text(f'#!/bin/sh\nexec /bin/cat "{folder / "voice.wav"}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return program


def test_speech_is_trimmed_resampled_and_levelled(espeak):
    samples = speak("seven", VOICES[0])
    assert len(samples) / 16000 == pytest.approx(0.5 + 2 * EDGE_SECONDS, abs=0.02)
    assert np.abs(samples).max() == pytest.approx(PEAK)


def test_rows_are_marked_synthetic_and_hold_out_voices(espeak, tmp_path):
    rows = synthesize(tmp_path / "out", ("seven", "thank you"), VOICES)
    assert len(rows) == 2 * len(VOICES)
    assert all(row["synthetic"] and row["license"] == "CC0-1.0" for row in rows)
    assert all("synthetic" in row["caption"][0] for row in rows)
    assert {voice.gender for voice in VOICES if voice.split == "val"} == {"male", "female"}
    voices = [{row["speaker"] for row in rows if row["split"] == side} for side in ("train", "val")]
    assert not voices[0] & voices[1]
    assert all(record.path.is_file() for record in read_manifest(tmp_path / "out/synthetic.jsonl"))


def test_a_missing_program_is_named_with_the_way_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as stop:
        main(["--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert "apt-get install espeak-ng" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_failing_program_is_reported(espeak):
    espeak.write_text("#!/bin/sh\necho no such voice >&2\nexit 1\n")
    with pytest.raises(ValueError, match="'seven' with voice .*no such voice"):
        speak("seven", VOICES[0])
