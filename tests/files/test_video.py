"""Videos of any rate, their frames chosen by time; pictures; sound; and files that are none."""

import numpy as np
import pytest
from PIL import Image

from audiogen_jax.files import video
from audiogen_jax.files.video import has_video, read_sound, read_video, video_times
from tests.films import write_video

RATES = (12, 24, 30000 / 1001, 30, 60)


@pytest.mark.parametrize("rate", RATES)
def test_frames_of_any_rate(tmp_path, rate):
    """25 frames a second of a video of another rate: each the one nearest in time."""
    path = write_video(tmp_path / "a.mp4", np.arange(int(2 * rate)) / rate)
    wanted = np.arange(50) / 25
    video = read_video(path, lambda times: wanted)
    assert video.source.frame_rate == pytest.approx(rate, rel=0.05)  # of the header
    assert video.source.duration == pytest.approx(int(2 * rate) / rate, abs=2e-3)
    last = video.source.times[-1]
    assert np.abs(video.times - np.minimum(wanted, last)).max() <= 0.5 / rate + 1e-3
    levels = video.frames.mean(axis=(1, 2, 3))
    assert np.abs(levels - np.floor(100 * video.times + 1e-6)).max() < 10


def test_a_rate_that_varies(tmp_path):
    times = np.cumsum([0, 0.04, 0.5, 0.02, 1.0, 0.04, 0.3])
    video = read_video(write_video(tmp_path / "a.mkv", times), lambda t: np.array([0.3, 1.0, 1.5]))
    np.testing.assert_allclose(video.source.times, times, atol=2e-3)
    np.testing.assert_allclose(video.times, [0.54, 0.56, 1.56], atol=2e-3)


def test_portrait_is_as_it_is_looked_at(tmp_path):
    path = write_video(tmp_path / "a.mp4", [0, 0.04], height=64, width=32)
    assert read_video(path, lambda t: t.times).frames.shape == (2, 64, 32, 3)


def test_frames_are_kept_transformed_alone(tmp_path):
    path = write_video(tmp_path / "a.mp4", np.arange(5) / 25)
    video = read_video(path, lambda t: t.times, lambda frame: frame[::2, ::2])
    assert video.frames.shape == (5, 16, 24, 3)


def count_decoded(monkeypatch):
    counts = []

    def decode(*args):
        counts.append(0)
        for each in video._decode_all(*args):
            counts[-1] += 1
            yield each

    monkeypatch.setattr(video, "_decode_all", video._decode, raising=False)
    monkeypatch.setattr(video, "_decode", decode)
    return counts


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_window_of_a_long_video_is_decoded_alone(tmp_path, monkeypatch, name):
    path = write_video(tmp_path / name, np.arange(400) / 10)
    wanted = 31 + np.arange(30) / 25
    from_the_start = read_video(path, lambda times: np.concatenate([[0.0], wanted]))
    counts = count_decoded(monkeypatch)
    window = read_video(path, lambda times: wanted)
    np.testing.assert_array_equal(window.frames, from_the_start.frames[1:])
    np.testing.assert_allclose(window.times, from_the_start.times[1:], atol=1e-9)
    assert len(counts) == 1 and counts[0] <= 12 + 1 + 13  # from a frame that stands for itself
    late = read_video(path, lambda times: np.array([39.9, 50.0]))  # beyond the last frame
    np.testing.assert_allclose(late.times, 39.9, atol=1e-3)
    assert counts[1] <= 13


def test_where_nothing_says_where_to_begin_all_is_decoded(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", np.arange(60) / 10)
    expected = read_video(path, lambda times: np.array([0.0, 5.0])).frames[1:]

    def nowhere(*_args):
        raise ValueError("no frame to begin at")

    monkeypatch.setattr(video, "_from", nowhere)
    found = read_video(path, lambda times: np.array([5.0])).frames
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture(tmp_path, suffix):
    picture = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    Image.fromarray(picture).save(tmp_path / f"a{suffix}")
    video = read_video(tmp_path / f"a{suffix}", lambda t: t.times)
    assert video.source.still and len(video.source.times) == 1
    assert np.abs(video.frames[0].astype(int) - picture).max() < 5


def test_sound(tmp_path):
    path = write_video(tmp_path / "a.mp4", np.arange(50) / 25, sound=2.0, rate=44100)
    audio = read_sound(path, 16000)
    assert audio is not None and audio.sample_rate == 16000 and audio.samples.shape[1] == 1
    assert len(audio.samples) == pytest.approx(32000, abs=1200)
    spectrum = np.abs(np.fft.rfft(audio.samples[4000:20000, 0]))
    assert spectrum.argmax() == pytest.approx(440, abs=2)
    assert has_video(path)


def test_a_silent_video(tmp_path):
    assert read_sound(write_video(tmp_path / "a.mp4", [0, 0.04]), 16000) is None


def test_long_videos(tmp_path):
    path = write_video(tmp_path / "a.mp4", np.arange(25 * 10) / 10)
    assert video_times(path).duration == pytest.approx(25, abs=1e-2)


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def _text(path):
    path.write_text("no video at all")


@pytest.mark.parametrize("damage", [_cut, _text])
def test_what_cannot_be_read_is_an_error(tmp_path, damage):
    path = write_video(tmp_path / "a.mp4", np.arange(10) / 25)
    damage(path)
    with pytest.raises(ValueError, match=r"a\.mp4 (cannot be read|holds no video)"):
        read_video(path, lambda t: t.times)


def test_frames_that_cannot_be_read_are_an_error(tmp_path):
    """The index of the file is whole, some of its pictures are noise."""
    path = write_video(tmp_path / "a.mp4", np.arange(40) / 25)
    contents = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    middle = slice(len(contents) // 3, 2 * len(contents) // 3)
    contents[middle] = rng.integers(0, 256, middle.stop - middle.start, np.uint8).tobytes()
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=r"a\.mp4"):
        read_video(path, lambda t: np.arange(40) / 25)


def test_no_file_and_no_video(tmp_path):
    with pytest.raises(FileNotFoundError, match="no video file"):
        read_video(tmp_path / "a.mp4", lambda t: t.times)
    sound = write_video(tmp_path / "a.mp4", [0], sound=0.5)
    assert read_sound(sound, 16000) is not None


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"pip install 'audiogen-jax\[video\]'"):
        read_video(tmp_path / "a.mp4", lambda t: t.times)
