"""Clips window by window: every sample once, in its place, under its caption."""

from types import SimpleNamespace

import numpy as np
import pytest

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.infer.continuation import OVERLAP, continued
from audiogen_jax.timeline import Event

STEP, RATE, WINDOW = 40, 1000, 25
"""Samples of a latent frame, Hz, and latent frames of a window of a second."""


class Ramp:
    """Stands in for a pipeline: samples count on from the end of the source."""

    generator = SimpleNamespace(window=WINDOW, latent_rate=RATE / STEP)
    codec = SimpleNamespace(samples_per_latent=STEP, sample_rate=RATE)

    def __init__(self):
        self.calls = []

    def generate(self, caption, *, source, duration, ids, **others):
        start = 0.0 if source is None else float(source.audio[0])
        self.calls.append((start, source, duration, ids, others))
        audio = np.arange(start, start + round(duration * RATE), dtype=np.float32)
        if source is not None:
            np.testing.assert_array_equal(audio[: len(source.audio)], source.audio)
        return [SimpleNamespace(audio=audio)]


@pytest.mark.parametrize("seconds", [0.3, 1.0, 1.01, 1.5, 1.75, 4.97, 60.0])
def test_every_sample_is_given_once(seconds: float):
    ramp = Ramp()
    windows = [*continued(ramp, StructuredCaption("rain"), seconds)]
    np.testing.assert_array_equal(np.concatenate(windows), np.arange(round(seconds * RATE)))
    assert all(len(window) for window in windows)
    assert [ids for _, _, _, ids, _ in ramp.calls] == [[str(n)] for n in range(len(windows))]
    for _, source, duration, _, _ in ramp.calls[1:]:
        assert duration == 1.0 and len(source.audio) >= OVERLAP * RATE


def test_captions_of_the_windows():
    ramp = Ramp()
    timeline = (Event(0, 1.4, "caption", "rain"), Event(1.4, 2.5, "caption", "wind"))
    np.testing.assert_array_equal(
        np.concatenate([*continued(ramp, None, 2.5, timeline=timeline)]), np.arange(2.5 * RATE)
    )
    for start, _, _, _, others in ramp.calls:
        first, *rest = others["timeline"]
        change = 1.4 - start / RATE
        assert first.start == 0 and (first.text == "rain") == (change > 0)
        if rest:
            assert rest[0].text == "wind" and first.end == rest[0].start == pytest.approx(change)
        assert (rest or [first])[-1].end == 1.0


def test_times_of_sounds_are_refused():
    windows = continued(Ramp(), StructuredCaption("rain"), 2.0, timeline=(Event(0, 1, "env"),))
    with pytest.raises(ValueError, match="window by window"):
        next(windows)
