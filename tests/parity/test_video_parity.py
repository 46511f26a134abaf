"""From decoded frames to what each tower reads: choice of frames, sizes, pixels, placeholders."""

import itertools

import numpy as np
import pytest

from audiogen_jax.files.video import VideoTimes
from audiogen_jax.models.omni.resize import resize
from audiogen_jax.models.omni.synchformer import SynchformerConfig
from audiogen_jax.models.omni.thinker.config import ThinkerConfig, VisionConfig
from audiogen_jax.models.omni.thinker.inputs import Pictures, Sound, thinker_inputs
from audiogen_jax.models.omni.thinker.pictures import Patches, patches, smart_size
from audiogen_jax.models.omni.thinker.video import frame_choice, frame_size
from audiogen_jax.models.omni.video import (
    at_rate,
    by_stride,
    read_seen_film,
    read_sync_frames,
    sync_pixels,
)
from audiogen_jax.models.quirks import NO_QUIRKS, Quirks
from tests.films import write_video
from tests.parity.thinker import distance, formula, io, meta, stated

META = meta("video_front")


def frames(name: str) -> np.ndarray:
    """Frames [t y x 3] of the file."""
    return io("video_front")[name].transpose(0, 2, 3, 1)


def shown(name: str) -> np.ndarray:
    """Frames of the formula, with the numbers that the metadata state of out.<name>."""
    return formula(**stated(META["pixels"][f"out.{name}"]))


def times(count: int, rate: float) -> VideoTimes:
    return VideoTimes(np.arange(count) / rate, count / rate, rate)


def nearest(source: VideoTimes, wanted: np.ndarray) -> list[int]:
    return [int(np.abs(source.times - each).argmin()) for each in wanted]


@pytest.mark.parametrize("row", META["release_reader"], ids=lambda r: f"{r['fps']}-{r['frames']}")
def test_the_stride_of_the_release(row):
    """[start, step, count] runs of frames; the repeated last one is such a run of step 0."""
    source = times(row["frames"], row["fps"])
    chosen = nearest(source, by_stride(row["target_fps"], 10)(source))
    runs = ([a + s * i for i in range(n)] for a, s, n in row["index_runs"])
    expected = [*itertools.chain.from_iterable(runs)]
    assert chosen == expected


@pytest.mark.parametrize("rate", [12, 24, 29.97, 30, 60])
def test_times_go_with_the_clock(rate):
    """By default, frame i is the one shown at i / 25 s, until the video ends."""
    source = times(round(10 * rate), rate)
    chosen = source.times[nearest(source, at_rate(25, 10)(source))]
    assert len(chosen) == 250
    assert np.abs(chosen - np.minimum(np.arange(250) / 25, source.times[-1])).max() <= 0.51 / rate


@pytest.mark.parametrize("row", META["understanding_sampler"], ids=lambda r: f"{r['fps']}")
def test_what_is_looked_at_when_it_is_asked(row):
    source = times(row["frames"], row["fps"])
    for by_number in (True, False):
        choice = frame_choice(source, 2, by_number)
        assert len(choice.times) == row["nframes"]
        chosen = nearest(source, choice.times)[: len(row["indices"])]
        assert chosen == row["indices"]
        assert 1 / choice.interval == pytest.approx(row["sample_fps"], abs=1e-5)
    told = frame_choice(source, 2, True, True)
    assert 2 * told.interval == row["second_per_grid_used"]
    size = frame_size(row["h"], row["w"], row["nframes"], VisionConfig())
    assert list(size) == row["resized"]


def test_smart_size():
    for height, width, fewest, most, *size in META["smart_resize"]["rows"]:
        assert [*smart_size(height, width, 28, fewest, most)] == size
    with pytest.raises(ValueError, match="ratio up to 200"):
        smart_size(10, 2010, 28, 3136, 10**6)


@pytest.mark.parametrize(
    ("source", "golden", "kernel", "roundings", "levels", "share"),
    [
        (lambda: frames("in.small"), "small.bilinear_32x32", "bilinear", 1, 1, 0.01),
        (lambda: frames("in.small"), "small.bilinear_90x90", "bilinear", 1, 1, 0.01),
        (lambda: shown("real.bilinear_224"), "real.bilinear_224", "bilinear", 1, 1, 0.01),
        (
            lambda: shown("real.bilinear_224_down"),
            "real.bilinear_224_down",
            "bilinear",
            1,
            1,
            0.01,
        ),
        (lambda: frames("in.qwen_up"), "qwen_up.resized", "bicubic", 2, 2, 0.015),
        (lambda: frames("in.qwen_down"), "qwen_down.resized", "bicubic", 2, 2, 0.015),
        (lambda: shown("qwen_release.*"), "qwen_release.resized", "bicubic", 2, 2, 0.015),
        (lambda: frames("in.qwen_up"), "understand_up.resized", "bicubic", 1, 1, 0.015),
        (lambda: frames("in.qwen_down"), "understand_down.resized", "bicubic", 1, 1, 0.015),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_resizing(source, golden, kernel, roundings, levels, share):
    expected = frames(f"out.{golden}")
    found = resize(source(), *expected.shape[1:3], kernel, roundings)
    off = np.abs(found.astype(int) - expected)
    assert off.max() <= levels and (off > 0).mean() <= share


def test_another_number_of_roundings_fails():
    expected = frames("out.qwen_down.resized")
    found = resize(frames("in.qwen_down"), *expected.shape[1:3], "bicubic", 1)
    assert np.abs(found.astype(int) - expected).max() > 2


def test_pixels():
    expected = io("video_front")["out.small.sync_norm"].transpose(0, 2, 3, 1)
    assert distance(sync_pixels(frames("out.small.bilinear_32x32")), expected) < 2e-6
    values = patches(frames("out.qwen_up.resized"), VisionConfig()).values
    assert distance(values[::4], io("video_front")["out.qwen_up.pixel_values_every_4th"]) < 2e-6


def words(prompt: str) -> list[int]:
    return [int(word[1:]) for word in prompt.split()]


@pytest.mark.parametrize("row", META["placeholder_expansion"]["cases"], ids=lambda r: r["name"])
def test_placeholders(row):
    """Every placeholder becomes the tokens of its sound or video, those of both in turns."""
    config = ThinkerConfig(
        audio_token_index=100, audio_start_token_id=101, audio_end_token_id=102,
        vision_start_token_id=103, vision_end_token_id=104, image_token_index=105,
        video_token_index=106,
    )  # fmt: skip
    sounds = iter([Sound(np.zeros((n, 128), np.float32)) for n in row["mel_frames"] or ()])
    grids = iter([Patches(np.zeros((t * h * w, 1176), np.float32), t, h, w)
                  for t, h, w in row["video_grid_thw"] or ()])  # fmt: skip
    parts, rest = [], row["prompt"]
    video = "<|vision_bos|><|VIDEO|><|vision_eos|>"
    for text in (
        rest.replace(video, "|V|").replace("<|audio_bos|><|AUDIO|><|audio_eos|>", "|A|").split("|")
    ):
        if text == "V" and row["video_grid_thw"]:
            grid = next(grids)
            parts.append(Pictures(grid, 1.0, next(sounds) if row["use_audio_in_video"] else None))
        elif text in ("A", "V"):
            parts.append(next(sounds) if text == "A" else [103, 106, 104])
        else:
            parts.append(words(text))
    built = thinker_inputs(config, [parts])
    runs = [[int(token), len([*group])] for token, group in itertools.groupby(built.ids[0])]
    assert runs == row["ids_run_length"]


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_files(tmp_path, seconds):
    """A file shorter than what is asked for ends in its last frame."""
    path = write_video(tmp_path / "a.mp4", np.arange(round(30 * seconds)) / 30)
    config = SynchformerConfig(image_size=32)
    sync = read_sync_frames(path, 1.0, config, NO_QUIRKS)
    assert sync.shape == (25, 32, 32, 3) and -1 <= sync.min() < sync.max() <= 1
    levels = sync.mean(axis=(1, 2, 3))
    clock = np.minimum(np.arange(25) / 25, seconds - 1 / 30)
    assert np.abs((levels + 1) * 127.5 - 100 * clock).max() < 12
    film = read_seen_film(path, 1.0, VisionConfig(), Quirks.of("release"))
    assert film.frames.shape == (5, 336, 336, 3) and film.interval == 0.5
