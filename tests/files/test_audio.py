"""Audio files: every conversion told, every bad file refused, no half-written output."""

import io
import re
from pathlib import Path

import hypothesis
import hypothesis.extra.numpy
import numpy as np
import pytest
import soundfile

from audiogen_jax.files import audio as audio_files
from audiogen_jax.files.audio import (
    lossless_subtype,
    read_audio,
    trim_silence,
    write_audio,
)
from audiogen_jax.files.audio_encoding import encode_audio


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
    soundfile.write(folder / "immense.wav", np.array([0.0, -1e30, 0.1]), 16000, "FLOAT")
    soundfile.write(folder / "cut.flac", np.random.default_rng(0).uniform(-1, 1, 48000), 16000)
    (folder / "cut.flac").write_bytes((folder / "cut.flac").read_bytes()[:40000])
    soundfile.write(folder / "short.wav", np.full(1, 0.5), 96000)
    soundfile.write(folder / "pipe.flac", tone(16000), 16000)
    contents = bytearray((folder / "pipe.flac").read_bytes())
    assert contents[22:26] == (8000).to_bytes(4, "big")  # number of samples, in STREAMINFO
    contents[22:26] = bytes(4)
    (folder / "pipe.flac").write_bytes(contents)
    contents[21], contents[22:26] = contents[21] | 15, b"\xff" * 4
    (folder / "endless.flac").write_bytes(contents)
    soundfile.write(folder / "slow.wav", tone(16000), 1)
    soundfile.write(folder / "fast.wav", tone(16000), 2**31 - 1)
    soundfile.write(folder / "wide.wav", tone(16000), 16000)
    wide = bytearray((folder / "wide.wav").read_bytes())
    wide[22:24] = b"\xff\xff"  # channels, in the format chunk
    (folder / "wide.wav").write_bytes(wide)
    return {
        "missing": (folder / "missing.wav", FileNotFoundError, "no audio file at"),
        "empty": (folder / "empty.wav", ValueError, "is an empty file (0 bytes)"),
        "not audio": (folder / "text.wav", ValueError, "is not audio that libsndfile reads"),
        "without a header": (folder / "bytes.raw", ValueError, "is not audio that libsndfile"),
        "folder": (folder / "folder.wav", FileNotFoundError, "no audio file at"),
        "zero length": (folder / "zero.wav", ValueError, "holds no samples"),
        "NaN": (folder / "nan.wav", ValueError, "holds NaN or infinite samples"),
        "infinite": (folder / "inf.wav", ValueError, "holds NaN or infinite samples"),
        "immense": (folder / "immense.wav", ValueError, "has a peak of 1e+30, where full scale"),
        "cut short": (
            folder / "cut.flac",
            ValueError,
            "cut.flac is not audio that libsndfile reads",
        ),
        "unknown length": (folder / "pipe.flac", ValueError, "does not say how long it is"),
        "2**36 samples": (
            folder / "endless.flac",
            ValueError,
            "is too long: 4294967 s, 1",
        ),
        "1 Hz": (folder / "slow.wav", ValueError, "says that its sample rate is 1 Hz"),
        "2 GHz": (folder / "fast.wav", ValueError, "says that its sample rate is 2147483647 Hz"),
        "65535 channels": (folder / "wide.wav", ValueError, "is not audio that libsndfile reads"),
        "too short": (folder / "short.wav", ValueError, "1 samples at 96000 Hz are too few"),
    }


BAD_FILES = (
    *("missing", "empty", "not audio", "without a header", "folder", "zero length", "NaN"),
    *("infinite", "immense", "cut short", "unknown length", "too short"),
    *("2**36 samples", "1 Hz", "2 GHz", "65535 channels"),
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


@pytest.mark.parametrize(
    ("rate", "sample_rate", "channels", "longest"),
    [
        (16000, 16000, None, 30_000),  # of two channels
        (16000, 16000, 1, 60_000),
        (8000, 32000, 1, 15_000),
        (8000, 16000, None, 15_000),
        (16000, 8000, 1, 60_000),
        (4000, 4000, 1, 40_000),  # ten seconds
    ],
)
def test_what_would_not_fit_in_memory_is_not_decoded(
    tmp_path: Path, monkeypatch, rate: int, sample_rate: int, channels: int | None, longest: int
):
    """The limit is on the samples asked for and on those there are, and on seconds."""
    monkeypatch.setattr(audio_files, "MAX_SAMPLES", 60_000)
    monkeypatch.setattr(audio_files, "MAX_SECONDS", 10.0)
    soundfile.write(tmp_path / "a.flac", np.zeros((longest, 2)), rate)
    assert not read_audio(tmp_path / "a.flac", sample_rate, channels).samples.any()
    soundfile.write(tmp_path / "b.flac", np.zeros((longest + 1, 2)), rate)
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *a, **k: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"b.flac is too long: .* 10 s and 60000 samples are read"):
        read_audio(tmp_path / "b.flac", sample_rate, channels)


def test_long_files_are_read_in_blocks(tmp_path: Path, monkeypatch, recwarn):
    monkeypatch.setattr(audio_files, "_BLOCK", 1000)
    samples = np.random.default_rng(0).normal(0, 0.1, (8001, 3)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 16000, "FLOAT")
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", None, None).samples, samples)
    mono = read_audio(tmp_path / "a.wav").samples
    np.testing.assert_array_equal(mono, samples.mean(axis=1, keepdims=True))
    samples[:, 1:] = -samples[:, :1] / 2
    soundfile.write(tmp_path / "a.wav", samples, 16000, "FLOAT")
    read_audio(tmp_path / "a.wav", None, 3)
    assert not recwarn
    read_audio(tmp_path / "a.wav")
    assert "a.wav: its 3 channels cancel" in str(recwarn[0].message)


def test_a_file_that_grows_while_it_is_read_is_left(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(audio_files, "MAX_SAMPLES", 10_000)
    monkeypatch.setattr(audio_files, "_BLOCK", 4096)
    monkeypatch.setattr(soundfile.SoundFile, "frames", 5000)
    soundfile.write(tmp_path / "a.wav", tone(48000), 48000)
    monkeypatch.setattr(soundfile.SoundFile, "_check_frames", lambda self, frames, fill: frames)
    with pytest.raises(ValueError, match="is too long"):
        read_audio(tmp_path / "a.wav", 48000)


@pytest.mark.parametrize(
    ("gains", "cancel"),
    [
        ((1, -1), True),
        ((1, -0.9), True),
        ((1, 1, -1, -1), True),
        ((1, 1), False),
        ((1, -0.5), False),
        ((0, 0, 0, 0, 0, 0, 0, 1), False),
        ((0, 0), False),
    ],
)
def test_channels_that_cancel_are_told(tmp_path: Path, recwarn, gains, cancel: bool):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(16000)[:, None] * np.array(gains), 16000, "FLOAT")
    read_audio(path, 16000, channels=len(gains))
    assert not recwarn
    read_audio(path, 16000)
    assert [f"{path}: its {len(gains)} channels cancel" in str(w.message) for w in recwarn] == (
        [True] * cancel
    )


def test_unrelated_channels_do_not_cancel(tmp_path: Path, recwarn):
    for channels in (2, 6):
        samples = np.random.default_rng(0).normal(0, 0.1, (16000, channels))
        soundfile.write(tmp_path / "a.wav", samples, 16000, "FLOAT")
        read_audio(tmp_path / "a.wav", 16000)
    assert not recwarn


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
    samples = tone(16000)
    if channels is not None:
        samples = np.stack([samples, samples / 8], axis=1)[:, :channels]
    write_audio(path, samples, 16000)
    expected = samples.reshape(len(samples), -1)
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
        (np.float32(0.5), "shape ()"),
        (np.full(100, 9, np.int16), "audio of type int16: expected floats"),
        (np.full(100, 9, np.uint8), "audio of type uint8: expected floats"),
        (np.full(100, True), "audio of type bool: expected real floats"),
        (np.full(100, 0.5j), "audio of type complex128: expected real floats"),
        (["a"], "expected real floats"),
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


def test_a_peak_over_full_scale_is_attenuated_and_told(tmp_path: Path, recwarn):
    samples = np.stack([3 * tone(16000), tone(16000)], axis=1)
    path = write_audio(tmp_path / "a.flac", samples, 16000)
    assert [str(w.message) for w in recwarn] == [
        f"{path}: a peak of 1.50 is over full scale: the clip is written 3.5 dB quieter"
    ]
    found = read_audio(path, 16000, channels=2).samples
    np.testing.assert_allclose(found, samples / 1.5, atol=1 / 32767)
    loud = read_audio(write_audio(tmp_path / "b.wav", samples, 16000, "FLOAT"), 16000, 2)
    np.testing.assert_array_equal(loud.samples, samples)
    assert len(recwarn) == 1


@hypothesis.given(
    hypothesis.extra.numpy.arrays(
        np.int32, (50, 2), elements={"min_value": -(2**23), "max_value": 2**23 - 1}
    ),
    hypothesis.strategies.sampled_from(["PCM_16", "PCM_24", "PCM_U8", "FLOAT"]),
    hypothesis.strategies.sampled_from([".wav", ".flac"]),
)
def test_what_is_read_is_written_without_a_change(integers, subtype: str, suffix: str):
    contents = io.BytesIO()
    samples = integers / 2**23 if subtype == "FLOAT" else integers << 8
    soundfile.write(contents, samples, 16000, subtype, format="WAV")
    read = read_audio(io.BytesIO(contents.getvalue()), None, None)
    encoded = encode_audio(read.samples, 16000, suffix, lossless_subtype(read.subtype, suffix))
    again = read_audio(io.BytesIO(encoded.contents), None, None)
    rounding = 2.0**-24 if (subtype, suffix) == ("FLOAT", ".flac") else 0
    np.testing.assert_allclose(again.samples, read.samples, rtol=0, atol=rounding)
    assert encoded.gain_db == 0


@pytest.mark.parametrize(
    ("rate", "suffix"), [(0, ".wav"), (16000.5, ".wav"), (700_000, ".flac"), (-1, ".flac")]
)
def test_rates_that_a_format_does_not_hold(tmp_path: Path, rate: float, suffix: str):
    with pytest.raises(ValueError, match=f"cannot write {suffix} of PCM_16 at {rate} Hz"):
        write_audio(tmp_path / f"a{suffix}", tone(16000), rate)
    assert not list(tmp_path.iterdir())
