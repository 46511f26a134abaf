"""Mixing of mono layers: fades, onsets, level by signal-to-noise ratio, reverberation."""

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


def reverberate(
    layer: Float[np.ndarray, " n"], response: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " n"]:
    """Convolves a layer with a room response, cut at the layer's end."""
    size = len(layer) + len(response) - 1
    spectrum = np.fft.rfft(layer, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(layer)]
