"""Mixing of mono layers: fades, onsets, level by signal-to-noise ratio, and a synthetic room."""

import numpy as np
from jaxtyping import Float

FADE = 160
"""Samples of the fades at the ends of a cut (10 ms at 16 kHz)."""
FRAME = 160
ACTIVE_BELOW_PEAK = 1e-4
"""A frame is active if its energy is within 40 dB of the layer's loudest frame."""


def active_power(layer: Float[np.ndarray, " n"]) -> float:
    """Mean square over the active frames of a layer, so that its pauses do not count.

    Raises:
      ValueError: the layer is silent.
    """
    frames = layer[: len(layer) // FRAME * FRAME].reshape(-1, FRAME)
    energy = np.square(frames, dtype=np.float64).mean(axis=1)
    if not energy.max(initial=0.0) > 0.0:
        raise ValueError("the layer is silent: its level cannot be set")
    return float(energy[energy >= ACTIVE_BELOW_PEAK * energy.max()].mean())


def at_snr(
    layer: Float[np.ndarray, " n"], reference: Float[np.ndarray, " n"], snr_db: float
) -> Float[np.ndarray, " n"]:
    """Scales a layer to lie `snr_db` below the reference, active power against active power.

    Raises:
      ValueError: one of the two is silent.
    """
    ratio = active_power(reference) / active_power(layer)
    return layer * np.sqrt(ratio * 10.0 ** (-snr_db / 10.0))


def layer_of(clip: Float[np.ndarray, " m"], length: int, onset: int) -> Float[np.ndarray, " n"]:
    """A layer of `length` samples holding the clip, with faded ends, from sample `onset` on.

    Raises:
      ValueError: the clip does not fit.
    """
    if onset < 0 or onset + len(clip) > length:
        raise ValueError(f"{len(clip)} samples from {onset} on do not fit into {length}")
    fade = min(FADE, len(clip) // 2)
    window = np.ones(len(clip))
    window[:fade] = np.linspace(0.0, 1.0, fade, endpoint=False)
    window[len(clip) - fade :] = np.linspace(1.0, 0.0, fade, endpoint=False)
    layer = np.zeros(length)
    layer[onset : onset + len(clip)] = clip * window
    return layer


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
    layer: Float[np.ndarray, " n"], response: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " n"]:
    """Convolves a layer with a room response, cut at the layer's end."""
    size = len(layer) + len(response) - 1
    spectrum = np.fft.rfft(layer, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(layer)]
