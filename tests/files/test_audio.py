"""Audio files: every conversion told, every bad file refused, no half-written output."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.files.audio import read_audio, trim_silence, write_audio


def tone(rate: int, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype("f4")


def test_mono_16k_is_read_as_it_is(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(16000), 16000, "FLOAT")
    audio = read_audio(tmp_path / "a.wav", 16000)
    np.testing.assert_array_equal(audio.samples, tone(16000)[:, None])
    assert (audio.samples.dtype, audio.sample_rate, audio.notes) == (np.float32, 16000, ())


@pytest.mark.parametrize(
    ("suffix", "subtype", "error"),
    [(".wav", "PCM_U8", 0.01), (".mp3", "MPEG_LAYER_III", 0.03), (".flac", "PCM_24", 1e-3)],
)
def test_stereo_44k_is_converted_and_told(tmp_path: Path, suffix: str, subtype: str, error: float):
    path = tmp_path / f"a{suffix}"
    left = tone(44100, 1.0)
    soundfile.write(path, np.stack([left, np.zeros_like(left)], axis=1), 44100, subtype)
    audio = read_audio(path, 16000)
    assert "averaged 2 channels to mono" in audio.notes
    assert "resampled 44100 Hz to 16000 Hz" in audio.notes
    assert (len(audio.notes) == 3) == (subtype != "PCM_24")
    inner = slice(2000, 14000)
    np.testing.assert_allclose(audio.samples[inner, 0], tone(16000, 1.0)[inner] / 2, atol=error)


def test_channels_stay_or_are_repeated(tmp_path: Path):
    stereo = np.stack([tone(44100), tone(44100, hertz=300)], axis=1)
    soundfile.write(tmp_path / "stereo.wav", stereo, 44100, "FLOAT")
    audio = read_audio(tmp_path / "stereo.wav", 44100, channels=2)
    np.testing.assert_array_equal(audio.samples, stereo)
    assert audio.notes == ()
    soundfile.write(tmp_path / "mono.wav", tone(44100), 44100, "FLOAT")
    audio = read_audio(tmp_path / "mono.wav", 44100, channels=2)
    np.testing.assert_array_equal(audio.samples, tone(44100)[:, None].repeat(2, 1))
    assert audio.notes == ("repeated mono to 2 channels",)
    with pytest.raises(ValueError, match=r"stereo.wav has 2 channels: expected 1 or 6"):
        read_audio(tmp_path / "stereo.wav", 44100, channels=6)


def test_each_channel_is_resampled_alone(tmp_path: Path):
    stereo = np.stack([tone(44100, 1.0), np.zeros(44100)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 44100, "FLOAT")
    audio = read_audio(tmp_path / "a.wav", 16000, channels=2)
    np.testing.assert_allclose(
        audio.samples[2000:14000, 0], tone(16000, 1.0)[2000:14000], atol=1e-4
    )
    assert not audio.samples[:, 1].any()


def test_an_open_file_is_read(tmp_path: Path):
    soundfile.write(tmp_path / "a.flac", tone(16000), 16000)
    expected = read_audio(tmp_path / "a.flac", 16000).samples
    np.testing.assert_array_equal(
        read_audio(io.BytesIO((tmp_path / "a.flac").read_bytes()), 16000).samples, expected
    )
    with pytest.raises(ValueError, match="tar/a.flac is not audio"):
        read_audio(io.BytesIO(b"nothing"), 16000, name="tar/a.flac")


def bad_files(folder: Path) -> dict[str, tuple[Path, type[Exception], str]]:
    """Name -> (path, error, words of its message); every file but the missing one is written."""
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("this is no audio file")
    (folder / "bytes.raw").write_bytes(bytes(1000))
    (folder / "folder.wav").mkdir()
    soundfile.write(folder / "zero.wav", np.zeros(0), 16000)
    soundfile.write(folder / "nan.wav", np.array([0.0, np.nan, 0.1]), 16000, "FLOAT")
    soundfile.write(folder / "inf.wav", np.array([[0.0, np.inf], [0.1, 0]]), 16000, "FLOAT")
    soundfile.write(folder / "cut.flac", np.random.default_rng(0).uniform(-1, 1, 48000), 16000)
    (folder / "cut.flac").write_bytes((folder / "cut.flac").read_bytes()[:40000])
    soundfile.write(folder / "short.wav", np.full(1, 0.5), 96000)
    soundfile.write(folder / "pipe.flac", tone(16000), 16000)
    contents = bytearray((folder / "pipe.flac").read_bytes())
    assert contents[22:26] == (8000).to_bytes(4, "big")  # number of samples, in STREAMINFO
    contents[22:26] = bytes(4)
    (folder / "pipe.flac").write_bytes(contents)
    return {
        "missing": (folder / "missing.wav", FileNotFoundError, "no audio file at"),
        "empty": (folder / "empty.wav", ValueError, "is an empty file (0 bytes)"),
        "not audio": (folder / "text.wav", ValueError, "is not audio that libsndfile reads"),
        "without a header": (folder / "bytes.raw", ValueError, "is not audio that libsndfile"),
        "folder": (folder / "folder.wav", FileNotFoundError, "no audio file at"),
        "zero length": (folder / "zero.wav", ValueError, "holds no samples"),
        "NaN": (folder / "nan.wav", ValueError, "holds NaN or infinite samples"),
        "infinite": (folder / "inf.wav", ValueError, "holds NaN or infinite samples"),
        "cut short": (
            folder / "cut.flac",
            ValueError,
            "cut.flac is not audio that libsndfile reads",
        ),
        "unknown length": (folder / "pipe.flac", ValueError, "does not say how long it is"),
        "too short": (folder / "short.wav", ValueError, "1 samples at 96000 Hz are too few"),
    }


BAD_FILES = (
    *("missing", "empty", "not audio", "without a header", "folder", "zero length", "NaN"),
    *("infinite", "cut short", "unknown length", "too short"),
)


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(tmp_path: Path, case: str):
    path, error, words = bad_files(tmp_path)[case]
    with pytest.raises(error, match=re.escape(words)) as info:
        read_audio(path, 16000)
    assert str(path) in str(info.value) and "\n" not in str(info.value)


def test_a_file_that_ends_while_it_is_read():
    class Shrinking(io.BytesIO):
        def readinto(self, buffer) -> int:
            return super().readinto(buffer) if self.tell() < 5000 else 0

    contents = io.BytesIO()
    soundfile.write(contents, tone(16000), 16000, format="WAV")
    with pytest.raises(ValueError, match=r"x.wav is cut short: \d+ of 8000 samples"):
        read_audio(Shrinking(contents.getvalue()), 16000, name="x.wav")


def test_digital_silence_is_what_rounds_to_zero_in_16_bits():
    samples = np.zeros((10, 2), np.float32)
    samples[[1, 8]] = 2.0**-16, -(2.0**-16)
    assert trim_silence(samples).shape == (0, 2)
    samples[3, 1], samples[6, 0] = -(2.0**-15), 1e-4
    np.testing.assert_array_equal(trim_silence(samples), samples[3:7])
    assert trim_silence(samples[:0]).shape == (0, 2)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("channels", [None, 1, 2])
def test_written_audio_is_read_back(tmp_path: Path, suffix: str, channels: int | None):
    path = tmp_path / "new" / f"a{suffix}"
    samples = tone(16000) * 4
    if channels is not None:
        samples = np.stack([samples, samples / 8], axis=1)[:, :channels]
    write_audio(path, samples, 16000)
    expected = np.clip(samples, -1, 1).reshape(len(samples), -1)
    found = read_audio(path, 16000, channels=expected.shape[1])
    np.testing.assert_allclose(found.samples, expected, atol=1 / 32767)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(100), "is silent"),
        (np.full((100, 2), 1e-6), "is silent"),
        (np.array([0.1, np.nan]), "NaN or infinite"),
        (np.array([[0.1, -np.inf]]), "NaN or infinite"),
        (np.zeros(0), "n > 0"),
        (np.zeros((0, 2)), "n > 0"),
        (np.ones((2, 100)), "(2, 100)"),
        (np.ones((1, 2, 1)), "(1, 2, 1)"),
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
