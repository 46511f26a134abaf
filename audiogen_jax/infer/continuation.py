"""Clips of any length given out window by window, each the continuation of the one before.

Where `Pipeline.generate` grows all windows of a long clip together and returns it at the end, here
the first is heard as soon as it is made and memory does not grow with the length. What follows
hears the end of what went before, but nothing reaches back: the clip is another one than that of
`generate`.
"""

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import check_duration
from audiogen_jax.infer.source import CROSSFADE_SECONDS, Source
from audiogen_jax.infer.storyboard import SAME
from audiogen_jax.timeline import Event, Timeline

OVERLAP = 0.25
"""Share of a window, at least, that is heard again before it goes on."""


def continued(
    pipeline: Pipeline,
    caption: StructuredCaption | None,
    seconds: float,
    seed: int = 0,
    options: SamplingOptions | None = None,
    timeline: Timeline = (),
) -> Iterator[Float32[np.ndarray, "n ..."]]:
    """Generates a clip and yields it window by window.

    Args:
      pipeline: makes the windows.
      caption: of all of it; None where the timeline has all captions.
      seconds: of the clip.
      seed: in [0, 2**32); with the number of a window it fixes its noise.
      options: how to sample.
      timeline: captions of stretches of the clip.

    Yields:
      Samples [n], or [n a] of several channels, at the codec's rate; together they are the clip.

    Raises:
      ValueError: a bad argument, a timeline with more than captions, or a window that came out
        silent.
    """
    if times := [event for event in timeline if event.view != "caption"]:
        raise ValueError(
            f"{times[0]} of the timeline: a clip that is given out window by window takes "
            "captions with times (view 'caption') alone"
        )
    generator, codec = pipeline.generator, pipeline.codec
    step, rate = codec.samples_per_latent, codec.sample_rate
    total = round(check_duration(seconds, generator.latent_rate) * rate)
    frames = -(-total // step)
    size = min(generator.window, frames)
    hop = size - math.ceil(OVERLAP * size)
    count = 1 if frames == size else 1 + -(-(frames - size) // hop)
    starts = np.rint(np.linspace(0, frames - size, count)).astype(int).tolist()
    fade = math.ceil(CROSSFADE_SECONDS * rate) + 1
    given, audio = 0, np.zeros(0, np.float32)
    for number, start in enumerate(starts):
        source = None
        if number:
            source = Source.extend(audio[(start - starts[number - 1]) * step :], rate)
        (clip,) = pipeline.generate(
            caption,
            seed=seed,
            duration=size * step / rate,
            ids=[str(number)],
            source=source,
            timeline=_within(timeline, start, start + size, generator.latent_rate),
            **vars(options or SamplingOptions()),
        )
        audio = clip.audio
        # The last samples before the next window are faded into it.
        end = total if number == count - 1 else (start + size) * step - fade
        yield audio[given - start * step : end - start * step]
        given = end


def _within(timeline: Timeline, first: int, last: int, rate: float) -> Timeline:
    """What of the captions lies between two latent frames, in seconds from the first."""

    def frame(seconds: float) -> int:
        """Up, so that a caption to the end of a clip reaches the end of its last frame."""
        return math.ceil(seconds * rate - SAME * rate)

    inside = []
    for event in timeline:
        start = max(frame(event.start), first) - first
        end = min(frame(event.end), last) - first
        if start < end:
            inside.append(Event(start / rate, end / rate, event.view, event.text))
    return tuple(inside)
