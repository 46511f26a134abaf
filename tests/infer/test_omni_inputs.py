"""What broke the release, read for Audio-Omni: each a right prompt or one clear line."""

import av
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.caption import StructuredCaption
from audiogen_jax.models.omni.video import read_sync_frames
from audiogen_jax.models.prompting import PromptInputs, Sound
from audiogen_jax.models.quirks import NO_QUIRKS
from tests import tiny_omni
from tests.films import write_video

CONFIG = tiny_omni.CONFIG
RATE = CONFIG.sample_rate
SEEN = CONFIG.reference_samples / RATE


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return ag.load(tiny_omni.write_checkpoint(tmp_path_factory.mktemp("omni"))).inputs.reader


def seen(reader, path):
    return reader.read(PromptInputs(video=path))


@pytest.mark.parametrize("rate", [12, 24, 29.97, 30, 60])
def test_videos_of_any_rate_show_what_happens_when(reader, tmp_path, rate):
    """Frames go with the clock, to half a frame; copies of the last one end a video alone."""
    path = write_video(tmp_path / "a.mp4", np.arange(round(2 * rate)) / rate)
    frames = read_sync_frames(path, 1.6, reader.frame_size, NO_QUIRKS)
    levels = 255 * (frames / 2 + 0.5).mean(axis=(1, 2, 3))  # a hundred steps a second
    assert np.abs(levels - 100 * np.arange(40) / 25).max() < 50 / rate + 5
    assert seen(reader, path).seconds == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(
    ("times", "height", "width", "seconds"),
    [
        ([0, 0.01, 0.02, 0.3, 0.31, 0.7], 32, 48, 0.7),  # a rate that varies
        (np.arange(10) / 25, 96, 32, 0.4),  # portrait
        (np.arange(75) / 25, 32, 48, 3.0),
        (np.arange(125) / 5, 32, 48, 25.0),
    ],
    ids=["variable", "portrait", "3 s", "25 s"],
)
def test_other_videos(reader, tmp_path, times, height, width, seconds):
    read = seen(reader, write_video(tmp_path / "a.mp4", times, height, width))
    assert read.seconds == pytest.approx(seconds, abs=0.2)
    assert read.prompts.sync.shape == (1, CONFIG.sync_length, CONFIG.sync_dim)
    assert np.isfinite(read.prompts.sync).all() and read.prompts.sync.any()


def test_a_picture_is_a_video_that_stands_still(reader, tmp_path):
    pixels = np.full((32, 48, 3), 200, np.uint8)
    with av.open(tmp_path / "a.png", "w") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    read = seen(reader, tmp_path / "a.png")
    assert read.seconds is None and read.prompts.sync.any()


def test_frames_that_cannot_be_read(reader, tmp_path):
    path = write_video(tmp_path / "a.mp4", np.arange(40) / 25)
    contents = bytearray(path.read_bytes())
    middle = slice(len(contents) // 3, 2 * len(contents) // 3)
    rng = np.random.default_rng(0)
    contents[middle] = rng.integers(0, 256, middle.stop - middle.start, np.uint8).tobytes()
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=r"a\.mp4"):
        seen(reader, path)


def noise(seconds, rate, channels, level=0.3, mean=0.0):
    samples = np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    return Sound((level * samples + mean).astype(np.float32), rate)


@pytest.mark.parametrize(
    "sound",
    [
        noise(0.3, 8000, 1),
        noise(0.3, 44101, 2),
        noise(0.3, 16000, 2, mean=-0.5),
        noise(0.3, 16000, 1, level=0),
        noise(25, 8000, 1),
    ],
    ids=["8 kHz mono", "44101 Hz", "negative mean", "silence", "25 s"],
)
def test_any_sound_is_heard(reader, sound):
    """By the thinker, 25 tokens a second, and as a voice: its end, silence as silence."""
    read = reader.read(PromptInputs(StructuredCaption("rain"), audio=sound)).prompts.instruction
    tokens = int((read.ids == reader.thinker.config.audio_token_index).sum())
    seconds = len(sound.samples) / sound.sample_rate
    assert tokens == pytest.approx(25 * seconds, abs=1.5)
    voice = reader.read(PromptInputs(transcript="a", voice=sound, voice_text="b"))
    heard = min(seconds, 0.6 * SEEN)
    assert voice.lead == pytest.approx(heard, abs=1e-3)
    audio = voice.prompts.audio[0]
    assert not audio[round(heard * RATE) + 1 :].any()
    assert audio.any() == sound.samples.any()


def test_a_video_of_ten_minutes_is_the_longest(tmp_path):
    pipeline = ag.load(tiny_omni.write_checkpoint(tmp_path / "model"))
    path = write_video(tmp_path / "a.mp4", [0, 300, 601])
    with pytest.raises(ValueError, match=r"clip '0': duration=.* must be between .* and 600"):
        pipeline.generate(None, video=path, steps=1)
