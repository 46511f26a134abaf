"""Loudness and true peak by FFmpeg's `ebur128`, a meter that the package does not use."""

import io
from collections.abc import Iterator
from typing import NamedTuple

import av
import numpy as np


class Reading(NamedTuple):
    """LUFS over the clip, and dBTP."""

    loudness: float
    true_peak: float


def measure(contents: bytes) -> Reading:
    """Of a file of audio in memory."""
    values: dict[str, str] = {}
    with av.open(io.BytesIO(contents)) as container:
        stream, graph = container.streams.audio[0], av.filter.Graph()
        source = graph.add_abuffer(template=stream)
        meter = graph.add("ebur128", "peak=true:metadata=1")
        sink = graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        graph.configure()
        for frame in (*container.decode(stream), None):
            source.push(frame)
            for measured in _frames(sink):
                values.update(measured.metadata)
    peak = float(values["lavfi.r128.true_peak"])
    return Reading(float(values["lavfi.r128.I"]), 20 * float(np.log10(peak)))


def _frames(sink: av.filter.context.FilterContext) -> Iterator[av.AudioFrame]:
    while True:
        try:
            yield sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return
