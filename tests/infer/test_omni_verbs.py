"""What broke the release, through the verbs: each a right clip or answer, or one clear line.

The tiny model hears 0.256 s and makes 0.3 s at once, so that seconds here are many of its windows.
"""

import av
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.caption import StructuredCaption
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.models.prompting import PromptInputs, Sound
from tests import tiny_omni
from tests.films import write_video
from tests.parity.golden import error

RATE = tiny_omni.CONFIG.sample_rate
LONGEST = tiny_omni.CONFIG.window * tiny_omni.CONFIG.downsampling_ratio
STEP = SamplingOptions(steps=1, guidance=7.0, schedule="linear")
ONE = {"steps": 1, "guidance": 7.0, "schedule": "linear"}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return ag.load(tiny_omni.write_checkpoint(tmp_path_factory.mktemp("omni")))


@pytest.fixture(scope="module")
def plain(pipeline):
    """An edit of noise, and a voice of noise: what others are compared with."""
    return {
        "edit": pipeline.edit("remove", noise(), what="rain", options=STEP).audio,
        "voice": spoken(pipeline, noise()),
    }


def noise(seconds=0.25, rate=RATE, channels=1, level=0.3, mean=0.0):
    samples = np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    return Sound((level * samples + mean).astype(np.float32), rate)


def spoken(pipeline, voice):
    words = {"transcript": "Hello", "voice_text": "Good day"}
    (clip,) = pipeline.generate(None, voice=voice, **words, **ONE)
    assert clip.sample_rate == RATE
    return clip.audio


SOUNDS = {
    "silence": noise(level=0.0),
    "mono, 8 kHz": noise(0.2, 8000),
    "stereo, 44101 Hz": noise(0.2, 44101, 2),
    "negative mean": noise(mean=-0.5),
    "3 s": noise(3, 16000),
    "6 s": noise(6, 8000),
    "25 s": noise(25, 8000, 2),
}


@pytest.mark.parametrize("name", [name for name in SOUNDS if name != "6 s"])
def test_sources(pipeline, plain, name):
    """Of their length, rate and channels, no peak set, and another one than that of noise."""
    source = SOUNDS[name]
    clip = pipeline.edit("remove", source, what="rain", options=STEP)
    shape = source.samples.shape if source.channels > 1 else source.samples.shape[:1]
    assert clip.audio.shape == shape and clip.sample_rate == source.sample_rate
    assert np.isfinite(clip.audio).all() and np.abs(clip.audio).max() not in (0, 1)
    if name in ("silence", "negative mean"):
        assert error(clip.audio, plain["edit"]) > 1e-4


@pytest.mark.parametrize("name", SOUNDS)
def test_voices(pipeline, plain, name):
    """What is said fills what the voice leaves: at least 0.4 of what is heard at once."""
    voice = SOUNDS[name]
    heard = min(
        round(len(voice.samples) / voice.sample_rate * RATE),
        round(0.6 * tiny_omni.CONFIG.reference_samples),
    )
    audio = spoken(pipeline, voice)
    assert audio.shape == (LONGEST - heard, 2)
    assert np.isfinite(audio).all() and np.abs(audio).max() not in (0, 1)
    if name in ("silence", "negative mean"):
        assert error(audio, plain["voice"]) > 1e-4


def film(folder, times, height=32, width=48, name="a.mp4"):
    return write_video(folder / name, times, height, width)


def made(pipeline, path, caption=None, **options):
    (clip,) = pipeline.generate(caption, video=path, **ONE, **options)
    assert np.isfinite(clip.audio).all() and np.abs(clip.audio).max() not in (0, 1)
    assert clip.sample_rate == RATE and clip.audio.shape[1] == 2
    return clip.audio


@pytest.mark.parametrize("rate", [12, 24, 29.97, 30, 60])
def test_videos_of_any_rate(pipeline, tmp_path, rate):
    """Their sound is as long as they are; which frames are seen when: `test_omni_inputs`."""
    path = film(tmp_path, np.arange(round(0.25 * rate)) / rate)
    assert len(made(pipeline, path)) / RATE == pytest.approx(0.25, abs=1 / rate)


def test_other_videos(pipeline, tmp_path):
    """A rate that varies, portrait, longer than is made at once for music, one picture."""
    varying = film(tmp_path, [0, 0.01, 0.02, 0.1, 0.12, 0.2])
    assert len(made(pipeline, varying)) / RATE == pytest.approx(0.2, abs=0.1)
    portrait = film(tmp_path, np.arange(5) / 25, 96, 32, "portrait.mp4")
    assert len(made(pipeline, portrait)) == round(0.2 * RATE)
    long = film(tmp_path, np.arange(20) / 25, name="long.mp4")
    piano = "<|caption|> piano <|music|> calm piano"
    assert len(made(pipeline, long, piano)) == round(0.8 * RATE)
    with av.open(tmp_path / "a.png", "w") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "rgb24"
        pixels = np.full((32, 48, 3), 200, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    assert len(made(pipeline, tmp_path / "a.png")) == LONGEST


@pytest.mark.parametrize("seconds", [3, pytest.param(25, marks=pytest.mark.slow)])
def test_videos_of_many_windows(pipeline, tmp_path, seconds):
    path = film(tmp_path, np.arange(5 * seconds) / 5)
    assert len(made(pipeline, path)) == seconds * RATE


def test_unreadable_frames(pipeline, tmp_path):
    path = film(tmp_path, np.arange(40) / 25)
    contents = bytearray(path.read_bytes())
    middle = slice(len(contents) // 3, 2 * len(contents) // 3)
    rng = np.random.default_rng(0)
    contents[middle] = rng.integers(0, 256, middle.stop - middle.start, np.uint8).tobytes()
    path.write_bytes(contents)
    for verb in (
        lambda: pipeline.generate(None, video=path, **ONE),
        lambda: pipeline.understand("What?", video=path),
    ):
        with pytest.raises(ValueError, match=r"a\.mp4") as refused:
            verb()
        assert "\n" not in str(refused.value)


def test_sounds_and_a_silent_video_are_understood(pipeline, tmp_path):
    answers = [
        pipeline.understand(
            "What?", audio=ag.Clip(s.samples, s.sample_rate, "", "", 0), max_tokens=2
        )
        for s in SOUNDS.values()
        if len(s.samples) < s.sample_rate
    ]
    silent = film(tmp_path, np.arange(10) / 10)
    answers.append(pipeline.understand("What?", video=silent, max_tokens=2))
    assert all(isinstance(answer, str) for answer in answers)


def test_a_batch_of_four_kinds(pipeline, tmp_path):
    """A caption, words, a voice and a video together: each is the clip that it is alone."""
    kinds = [
        PromptInputs(caption=StructuredCaption("rain")),
        PromptInputs(transcript="Hello"),
        PromptInputs(transcript="Hello", voice=noise(0.1), voice_text="Good day"),
        PromptInputs(video=film(tmp_path, np.arange(5) / 25)),
    ]
    names = ["caption", "words", "voice", "video"]
    requests = pipeline.inputs.make(names, kinds, [None] * 4, STEP)
    together = pipeline.run(requests, 3, STEP, silent=False)
    again = pipeline.run(requests, 3, STEP, silent=False)
    for request, clip, same in zip(requests, together, again, strict=True):
        np.testing.assert_array_equal(clip.audio, same.audio)
        (alone,) = pipeline.run([request], 3, STEP, silent=False)
        assert error(clip.audio, alone.audio) < 1e-4
    lengths = {len(clip.audio) for clip in together}
    assert lengths == {LONGEST, LONGEST - round(0.1 * RATE), round(0.2 * RATE)}
