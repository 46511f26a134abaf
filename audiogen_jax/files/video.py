"""Pictures, videos and their sound in: any container that FFmpeg reads (PyAV, extra `video`)."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, UInt8

from audiogen_jax.files.audio import MAX_SECONDS, Audio, convert

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

Frame = UInt8[np.ndarray, "y x 3"]
_SLACK = 0.02
"""Seconds by which sound and pictures may start apart and count as starting together."""
_NEAR = 2.0
"""Seconds of a video that are decoded rather than looked for a frame to begin at."""


@dataclasses.dataclass(frozen=True, eq=False)
class VideoTimes:
    """When the frames of a video are shown.

    Attributes:
      times: seconds of each frame, the first is 0; ascending, at whatever distances.
      duration: seconds, to the end of the last frame.
      frame_rate: frames per second, as the file says.
      still: is it one picture and no video?
    """

    times: Float64[np.ndarray, " n"]
    duration: float
    frame_rate: float
    still: bool = False


class _Marks(NamedTuple):
    """When the frames of a file are shown, and the mark of the first; None if it has no marks."""

    times: VideoTimes
    first: float | None


@dataclasses.dataclass(frozen=True, eq=False)
class Video:
    """Some frames of a video.

    Attributes:
      frames: RGB, as they are to be looked at: turned where the file says so.
      times: seconds at which they are shown.
      source: when all frames of the file are.
    """

    frames: UInt8[np.ndarray, "t y x 3"]
    times: Float64[np.ndarray, " t"]
    source: VideoTimes


def read_video(
    path: str | Path,
    choose: Callable[[VideoTimes], Float[np.ndarray, " t"]],
    transform: Callable[[Frame], Frame] = lambda frame: frame,
) -> Video:
    """Decodes the frames that are nearest to some times.

    Decoding begins at the last frame before them that stands for itself, so that the windows of a
    long video take the time of one pass; where a file does not say which those are, at its start.

    Args:
      path: of a video or a picture.
      choose: when the file's frames are shown -> seconds of those wanted, ascending; what lies
        between two frames takes the nearer one, and what lies outside the first or the last.
      transform: of each frame as it is read, such as to another size, so that no others are kept.

    Raises:
      FileNotFoundError: no file at the path.
      ValueError: it cannot be read, or not all of it; PyAV is not installed.
    """
    marks = _marks(path)
    times = marks.times
    wanted = np.asarray(choose(times), np.float64)
    start = min(wanted[0], times.times[-1]) if len(wanted) else 0.0
    if marks.first is not None and start > _NEAR:
        with contextlib.suppress(ValueError):  # what damage there is, is found from the start
            with _opened(path) as container:
                nearest = _nearest(_from(container, path, start, marks.first), wanted, transform)
            if nearest:
                return Video(*nearest, times)
    with _opened(path) as container:
        nearest = _nearest(_decode(container, path), wanted, transform)
    if not nearest:
        raise ValueError(f"{path}: no frame can be read")
    return Video(*nearest, times)


def _nearest(
    decoded: "Iterator[tuple[float, av.VideoFrame]]",
    wanted: Float64[np.ndarray, " t"],
    transform: Callable[[Frame], Frame],
) -> tuple[UInt8[np.ndarray, "t y x 3"], Float64[np.ndarray, " t"]] | None:
    """The frames nearest to some times, and when they are shown; None if there are none."""
    frames: list[np.ndarray] = []
    shown: list[float] = []
    before: tuple[float, av.VideoFrame] | None = None
    for time, frame in decoded:
        while len(frames) < len(wanted) and wanted[len(frames)] <= time:
            nearer = (time, frame)
            if before and wanted[len(frames)] - before[0] <= time - wanted[len(frames)]:
                nearer = before
            shown.append(nearer[0])
            frames.append(transform(_upright(nearer[1])))
        if len(frames) == len(wanted):
            break
        before = time, frame
    while before and len(frames) < len(wanted):
        shown.append(before[0])
        frames.append(transform(_upright(before[1])))
    return (np.stack(frames), np.array(shown)) if frames else None


def video_times(path: str | Path) -> VideoTimes:
    """When the frames of a file are shown, without decoding them where the file tells.

    Raises:
      FileNotFoundError: no file at the path.
      ValueError: it holds no video, or cannot be read; PyAV is not installed.
    """
    return _marks(path).times


def _marks(path: str | Path) -> _Marks:
    path = Path(path)
    version = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None
    return _read_marks(path, version)


@functools.lru_cache(maxsize=8)  # as each window of a long video asks
def _read_marks(path: Path, _version: tuple[int, int] | None) -> _Marks:
    with _opened(path) as container:
        name = container.format.name
        still = "image2" in name or name.endswith("_pipe")
        stream = _video(container)
        base = float(stream.time_base or 0)
        marks = [] if still else [p.pts for p in container.demux(stream) if p.size]
        rate = float(stream.average_rate or 25)
    untold = still or not marks or base == 0 or any(mark is None for mark in marks)
    if untold:
        with _opened(path) as container:
            times = np.array([time for time, _ in _decode(container, path)])
    else:
        times = np.sort(np.array(marks, np.float64)) * base
    if not len(times):
        raise ValueError(f"{path}: no frame can be read")
    first, times = float(times[0]), times - times[0]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    shown = VideoTimes(times, float(times[-1]) + (step or 1 / rate), rate, still)
    return _Marks(shown, None if untold else first)


def has_video(path: str | Path) -> bool:
    """Does a file hold a video or a picture, beside sound or alone?

    Raises:
      FileNotFoundError: no file at the path.
      ValueError: it cannot be read; PyAV is not installed.
    """
    with _opened(path, needs_video=False) as container:
        return _pictures(container) is not None


def read_sound(path: str | Path, sample_rate: int, channels: int | None = 1) -> Audio | None:
    """Decodes the sound of a video, beginning when its first frame is shown; None if it has none.

    Args:
      path: of a video, or of sound in any container.
      sample_rate: Hz of the result.
      channels: of the result; see `files.audio.convert`.

    Raises:
      FileNotFoundError: no file at the path.
      ValueError: it cannot be read, or is too long; PyAV is not installed.
    """
    with _opened(path, needs_video=False) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        rate = stream.rate
        start = float((stream.start_time or 0) * (stream.time_base or 0))
        if (video := _pictures(container)) is not None:
            start -= float((video.start_time or 0) * (video.time_base or 0))
        else:
            start = 0.0
        blocks, count = [], 0
        with _readable(path):
            for frame in _floats(container):
                blocks.append(frame.to_ndarray().T)
                count += len(blocks[-1])
                if count > MAX_SECONDS * rate:
                    raise ValueError(f"{path} is too long: at most {MAX_SECONDS:g} s are read")
    if not count:
        return None
    samples = np.concatenate(blocks)
    if start > _SLACK:
        silence = np.zeros((round(start * rate), samples.shape[1]), np.float32)
        samples = np.concatenate([silence, samples])
    elif start < -_SLACK:
        samples = samples[round(-start * rate) :]
    samples, notes = convert(samples, rate, sample_rate, channels, str(path))
    return Audio(samples, sample_rate, notes)


def _floats(container: "InputContainer") -> Iterator["av.AudioFrame"]:
    """Sound as float32, each channel by itself, whatever the file holds."""
    from av import AudioResampler

    resampler = AudioResampler(format="fltp")
    for frame in container.decode(audio=0):
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


@contextlib.contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """Turns what FFmpeg finds wrong into one line."""
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError as error:
        raise ValueError(f"{path} cannot be read as video: {error.strerror}") from None


@contextlib.contextmanager
def _opened(path: str | Path, needs_video: bool = True) -> Iterator["InputContainer"]:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no video file at {path}")
    try:
        import av
    except ImportError:
        raise ValueError("reading video needs PyAV: pip install 'audiogen-jax[video]'") from None
    options = {"protocol_whitelist": "file"}  # a playlist names files of the network
    with _readable(path), av.open(path, options=options) as container:
        if needs_video and _pictures(container) is None:
            raise ValueError(f"{path} holds no video that can be read")
        yield container


def _pictures(container: "InputContainer") -> "av.VideoStream | None":
    """The video of a file, not the cover of an album."""
    from av.stream import Disposition

    cover = Disposition.attached_pic
    streams = (each for each in container.streams.video if not each.disposition & cover)
    return next(streams, None)


def _video(container: "InputContainer") -> "av.VideoStream":
    stream = _pictures(container)
    assert stream is not None  # files without are refused as they are opened
    return stream


def _from(
    container: "InputContainer", path: str | Path, start: float, first: float
) -> Iterator[tuple[float, "av.VideoFrame"]]:
    """Seconds and frames from before `start` on.

    Args:
      container: of the video.
      path: of it.
      start: seconds after the first frame.
      first: the mark of that.

    Raises:
      ValueError: the container finds no frame before `start` to begin at.
    """
    from av.error import FFmpegError

    stream = _video(container)
    try:
        container.seek(int((start + first) / float(stream.time_base or 1)), stream=stream)
    except FFmpegError:
        raise ValueError(f"{path}: no frame to begin at") from None
    begun = False
    for time, frame in _decode(container, path, first):
        if not begun and time > start:
            raise ValueError(f"{path}: no frame to begin at before {start:g} s")
        begun = True
        yield time, frame


def _decode(
    container: "InputContainer", path: str | Path, first: float | None = None
) -> Iterator[tuple[float, "av.VideoFrame"]]:
    """Seconds after `first`, the mark of the first frame that comes if None, and frames."""
    stream = _video(container)
    stream.thread_type = "AUTO"
    stream.codec_context.options = {"err_detect": "explode"}  # or damage is painted over
    step = 1.0 / float(stream.average_rate or 25)
    for index, frame in enumerate(container.decode(stream)):
        if frame.is_corrupt:
            raise ValueError(f"{path}: frame {index} is damaged")
        if frame.time is None and first is not None:
            raise ValueError(f"{path}: frame {index} has no mark of its time")
        time = index * step if frame.time is None else frame.time
        first = time if first is None else first
        yield time - first, frame


def _upright(frame: "av.VideoFrame") -> Frame:
    """A frame turned as it is to be looked at."""
    turns = round(frame.rotation / 90)  # counterclockwise
    return np.rot90(frame.to_ndarray(format="rgb24"), turns)
