"""Audio files: every conversion told, every bad file refused, no half-written output."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.files.audio import read_audio, write_audio


def tone(rate: int, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype("f4")


def test_mono_16k_is_read_as_it_is(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(16000), 16000, "FLOAT")
    audio = read_audio(tmp_path / "a.wav")
    np.testing.assert_array_equal(audio.samples, tone(16000))
    assert (audio.sample_rate, audio.notes) == (16000, ())


@pytest.mark.parametrize(
    ("suffix", "subtype", "error"),
    [(".wav", "PCM_U8", 0.01), (".mp3", "MPEG_LAYER_III", 0.03), (".flac", "PCM_24", 1e-3)],
)
def test_stereo_44k_is_converted_and_told(tmp_path: Path, suffix: str, subtype: str, error: float):
    path = tmp_path / f"a{suffix}"
    left = tone(44100, 1.0)
    soundfile.write(path, np.stack([left, np.zeros_like(left)], axis=1), 44100, subtype)
    audio = read_audio(path)
    assert "averaged 2 channels to mono" in audio.notes
    assert "resampled 44100 Hz to 16000 Hz" in audio.notes
    assert (len(audio.notes) == 3) == (subtype != "PCM_24")
    inner = slice(2000, 14000)
    np.testing.assert_allclose(audio.samples[inner], tone(16000, 1.0)[inner] / 2, atol=error)


def bad_files(folder: Path) -> dict[str, tuple[Path, type[Exception], str]]:
    """Name -> (path, error, words of its message); every file but the missing one is written."""
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("this is no audio file")
    (folder / "folder.wav").mkdir()
    soundfile.write(folder / "zero.wav", np.zeros(0), 16000)
    soundfile.write(folder / "nan.wav", np.array([0.0, np.nan, 0.1]), 16000, "FLOAT")
    return {
        "missing": (folder / "missing.wav", FileNotFoundError, "no audio file at"),
        "empty": (folder / "empty.wav", ValueError, "is an empty file (0 bytes)"),
        "not audio": (folder / "text.wav", ValueError, "is not audio that libsndfile reads"),
        "folder": (folder / "folder.wav", FileNotFoundError, "no audio file at"),
        "zero length": (folder / "zero.wav", ValueError, "holds no samples"),
        "NaN": (folder / "nan.wav", ValueError, "holds NaN or infinite samples"),
    }


BAD_FILES = ("missing", "empty", "not audio", "folder", "zero length", "NaN")


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(tmp_path: Path, case: str):
    path, error, words = bad_files(tmp_path)[case]
    with pytest.raises(error, match=re.escape(words)) as info:
        read_audio(path)
    assert str(path) in str(info.value) and "\n" not in str(info.value)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_written_audio_is_read_back(tmp_path: Path, suffix: str):
    path = tmp_path / "new" / f"a{suffix}"
    write_audio(path, tone(16000) * 4, 16000)
    expected = np.clip(tone(16000) * 4, -1, 1)
    np.testing.assert_allclose(read_audio(path).samples, expected, atol=1 / 32767)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(100), "is silent"),
        (np.full(100, 1e-6), "is silent"),
        (np.array([0.1, np.nan]), "NaN or infinite"),
        (np.array([0.1, -np.inf]), "NaN or infinite"),
        (np.zeros(0), "n > 0"),
        (np.ones((2, 100)), "(2, 100)"),
    ],
)
def test_bad_samples_are_not_written(tmp_path: Path, samples: np.ndarray, words: str):
    with pytest.raises(ValueError, match=re.escape(words)):
        write_audio(tmp_path / "a.wav", samples, 16000)
    assert not list(tmp_path.iterdir())


def test_unwritable_places(tmp_path: Path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(OSError, match="is a file, not a folder"):
        write_audio(tmp_path / "file" / "a.wav", tone(16000), 16000)
    with pytest.raises(OSError, match="it is a folder"):
        write_audio(tmp_path / "folder.wav", tone(16000), 16000)
    with pytest.raises(ValueError, match=r"cannot write '\.mp3'"):
        write_audio(tmp_path / "a.mp3", tone(16000), 16000)
    assert {file.name for file in tmp_path.iterdir()} == {"file", "folder.wav"}
