"""Tiny videos, made with PyAV."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TICKS = 60_000


def write_video(
    path: Path,
    times: Sequence[float] | np.ndarray,
    height: int = 32,
    width: int = 48,
    sound: float = 0.0,
    rate: int = 16000,
) -> Path:
    """Frames that grow brighter with their time, and a tone.

    Args:
      path: of the container.
      times: seconds at which each frame is shown.
      height: of the frames, pixels.
      width: of the frames, pixels.
      sound: seconds of the tone; 0 for none.
      rate: Hz of the tone.
    """
    with av.open(path, "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, TICKS)
        if sound:
            audio = container.add_stream("aac", rate=rate, layout="stereo")
        for time in times:
            level = int(100 * time) % 250
            frame = av.VideoFrame.from_ndarray(
                np.full((height, width, 3), level, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = round(time * TICKS), Fraction(1, TICKS)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound:
            tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(sound * rate)) / rate)
            samples = np.stack([tone, tone]).astype(np.float32)
            for start in range(0, samples.shape[1], 1024):
                block = np.ascontiguousarray(samples[:, start : start + 1024])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = rate, start
                frame.time_base = Fraction(1, rate)
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path
