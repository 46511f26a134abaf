"""Mixing of layers: fades, onsets, level by signal-to-noise ratio, and a synthetic room."""

import numpy as np
from jaxtyping import Float, Float32

FADE_SECONDS = 0.01
"""Of the fades at the ends of a cut."""
CROSSFADE_SECONDS = 0.5
"""Of a clip that is repeated, at most."""
FRAME_SECONDS = 0.01
ACTIVE_BELOW_PEAK = 1e-4
"""A frame is active if its energy is within 40 dB of the layer's loudest frame."""

AUDIBLE_BELOW_PEAK = 10**-2.5
"""What is more than 25 dB below the loudest frame of a clip neither begins nor ends it."""


def active_power(layer: Float[np.ndarray, "n a"], sample_rate: int) -> float:
    """Mean square over the active frames of a layer, so that its pauses do not count.

    Raises:
      ValueError: the layer is silent.
    """
    power = _frame_power(layer, sample_rate)
    if not power.max(initial=0.0) > 0.0:
        raise ValueError("the layer is silent: its level cannot be set")
    return float(power[power >= ACTIVE_BELOW_PEAK * power.max()].mean())


def audible(clip: Float[np.ndarray, "m a"], sample_rate: int) -> tuple[int, int]:
    """The samples from which and to which a clip is heard; recordings begin and end quietly.

    All of a silent one.
    """
    power = _frame_power(clip, sample_rate)
    frames = np.flatnonzero(power >= AUDIBLE_BELOW_PEAK * power.max(initial=0.0))
    size = _frame_size(sample_rate)
    return int(frames[0]) * size, min((int(frames[-1]) + 1) * size, len(clip))


def _frame_size(sample_rate: int) -> int:
    return max(1, round(FRAME_SECONDS * sample_rate))


def _frame_power(layer: Float[np.ndarray, "n a"], sample_rate: int) -> Float[np.ndarray, " f"]:
    """Mean square of each frame, the last of which may be shorter."""
    starts = np.arange(0, len(layer), _frame_size(sample_rate))
    energy = np.add.reduceat(np.square(layer, dtype=np.float64).mean(axis=1), starts)
    return energy / np.diff(np.append(starts, len(layer)))


def gain_below(
    layer: Float[np.ndarray, "n a"],
    reference: Float[np.ndarray, "n a"],
    decibels: float,
    sample_rate: int,
) -> float:
    """The factor that puts a layer below a reference, active power against active power.

    Args:
      layer: what is scaled.
      reference: what it is measured against.
      decibels: how far below; negative is above.
      sample_rate: Hz.

    Raises:
      ValueError: one of the two is silent.
    """
    ratio = active_power(reference, sample_rate) / active_power(layer, sample_rate)
    return float(np.sqrt(ratio * 10.0 ** (-decibels / 10.0)))


def faded(clip: Float32[np.ndarray, "m a"], sample_rate: int) -> Float32[np.ndarray, "m a"]:
    """A clip whose ends rise and fall within 10 ms."""
    fade = min(round(FADE_SECONDS * sample_rate), len(clip) // 2)
    window = np.ones((len(clip), 1), np.float32)
    window[:fade, 0] = np.linspace(0.0, 1.0, fade, endpoint=False)
    window[len(clip) - fade :, 0] = np.linspace(1.0, 0.0, fade, endpoint=False)
    return clip * window


def repeated(
    clip: Float32[np.ndarray, "m a"], length: int, sample_rate: int
) -> Float32[np.ndarray, "n a"]:
    """A clip repeated up to a length, with crossfades of equal power; a longer one as it is."""
    if len(clip) >= length:
        return clip
    fade = min(round(CROSSFADE_SECONDS * sample_rate), len(clip) // 2)
    rise = np.sin(np.linspace(0.0, np.pi / 2, fade, dtype=np.float32))[:, None]
    piece = clip.copy()
    piece[:fade] *= rise
    piece[len(piece) - fade :] *= rise[::-1]
    layer = np.zeros((length + len(clip), clip.shape[1]), np.float32)
    for onset in range(0, length, len(clip) - fade):
        layer[onset : onset + len(clip)] += piece
    return layer[:length]


def add_at(layer: Float32[np.ndarray, "n a"], clip: Float32[np.ndarray, "m a"], onset: int) -> None:
    """Adds a clip to a layer from a sample on, in place.

    Raises:
      ValueError: the clip does not fit.
    """
    if onset < 0 or onset + len(clip) > len(layer):
        raise ValueError(f"{len(clip)} samples from {onset} on do not fit into {len(layer)}")
    layer[onset : onset + len(clip)] += clip


def room_response(
    rt60: float, direct_to_reverberant_db: float, sample_rate: int, rng: np.random.Generator
) -> Float[np.ndarray, " m"]:
    """A room as exponentially decaying noise behind a unit direct path (Polack's model).

    Args:
      rt60: seconds in which the tail decays by 60 dB.
      direct_to_reverberant_db: energy of the direct path over that of the tail.
      sample_rate: Hz.
      rng: draws the noise.
    """
    seconds = np.arange(1, round(rt60 * sample_rate)) / sample_rate
    tail = rng.standard_normal(len(seconds)) * 10.0 ** (-3.0 * seconds / rt60)
    tail *= 10.0 ** (-direct_to_reverberant_db / 20.0) / np.linalg.norm(tail)
    return np.concatenate([[1.0], tail])


def reverberate(
    layer: Float32[np.ndarray, "n a"], response: Float[np.ndarray, " m"]
) -> Float32[np.ndarray, "n a"]:
    """Convolves a layer with a room response, cut at the layer's end."""
    from scipy.signal import fftconvolve  # a quarter of the start of a training

    wet = fftconvolve(layer, response[:, None], axes=0)
    return wet[: len(layer)].astype(np.float32)
