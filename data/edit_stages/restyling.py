"""Another sound in the place of one that was separated."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float32

from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.crop_pad import crop_window
from audiogen_jax.input.manifest import AudioRecord
from audiogen_jax.input.scenes import layers as mixing
from data.edit_stages.separation import names_of

HEARD_BELOW_PEAK = 1e-2
"""A frame of a separated sound is heard within 20 dB of the loudest: some of the rest is left."""


class Restyled(NamedTuple):
    """What a sound becomes: its name, itself, and the recordings that it was made of."""

    name: str
    audio: Float32[np.ndarray, "n a"]
    clips: Sequence[AudioRecord] = ()


class Restyler(Protocol):
    """Makes another sound of one."""

    def __call__(
        self,
        target: Float32[np.ndarray, "n a"],
        sample_rate: int,
        name: str,
        rng: np.random.Generator,
    ) -> Restyled | None:
        """The other sound, of the same length; None: there is none."""
        ...


class ExchangeRestyler:
    """A single recording of another sound, where and as loud as the first one is heard."""

    def __init__(self, singles: Sequence[AudioRecord], cache: AudioCache):
        """Takes recordings that have a phrase for a sound; labels are drawn evenly."""
        self._cache = cache
        self._by_label: dict[str, list[AudioRecord]] = {}
        for clip in singles:
            if clip.views.get("sfx"):
                self._by_label.setdefault(clip.label or clip.audio_id, []).append(clip)

    def __call__(
        self,
        target: Float32[np.ndarray, "n a"],
        sample_rate: int,
        name: str,
        rng: np.random.Generator,
    ) -> Restyled | None:
        """See `Restyler`."""
        others = {
            label: clips
            for label, clips in self._by_label.items()
            if not any(name.lower() in names_of(clip) for clip in clips)
        }
        if not others or not target.any():
            return None
        clips = others[sorted(others)[int(rng.integers(len(others)))]]
        clip = clips[int(rng.integers(len(clips)))]
        start, stop = heard_span(target, sample_rate)
        samples = self._cache.load(clip.path, clip.member)
        samples = mixing.faded(crop_window(samples, stop - start, "loud", rng), sample_rate)
        gain = mixing.gain_below(samples, target, 0.0, sample_rate)
        layer = np.zeros_like(target)
        mixing.add_at(layer, samples * np.float32(gain), start)
        phrases = clip.views["sfx"]
        return Restyled(phrases[int(rng.integers(len(phrases)))], layer, (clip,))


class EditorRestyler:
    """An editor of this package that turns a separated sound into one of some names."""

    def __init__(self, checkpoint: str, names: Sequence[str]):
        """Loads what `audiogen_jax.load` takes; `names` are what sounds become."""
        import audiogen_jax as ag

        self._pipeline, self._names = ag.load(checkpoint), names

    def __call__(
        self,
        target: Float32[np.ndarray, "n a"],
        sample_rate: int,
        name: str,
        rng: np.random.Generator,
    ) -> Restyled | None:
        """See `Restyler`."""
        others = [other for other in self._names if other.lower() != name.lower()]
        if not others:
            return None
        to, seed = others[int(rng.integers(len(others)))], int(rng.integers(2**31))
        made = self._pipeline.edit("restyle", target, sample_rate, what=name, to=to, seed=seed)
        return Restyled(to, np.asarray(made.audio, np.float32).reshape(target.shape))


def heard_span(clip: Float32[np.ndarray, "n a"], sample_rate: int) -> tuple[int, int]:
    """From which sample to which a clip is heard: see `HEARD_BELOW_PEAK`."""
    size = max(1, round(mixing.FRAME_SECONDS * sample_rate))
    starts = np.arange(0, len(clip), size)
    energy = np.add.reduceat(np.square(clip, dtype=np.float64).mean(axis=1), starts)
    active = np.flatnonzero(energy >= HEARD_BELOW_PEAK * energy.max())
    return int(starts[active[0]]), min(int(starts[active[-1]]) + size, len(clip))
