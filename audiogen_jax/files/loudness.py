"""Loudness and true peaks as ITU-R BS.1770 measures them, and a limiter that keeps the latter.

Loudness is pyloudnorm's. A true peak is that of the waveform between the samples: those are
oversampled (soxr) by four, and at least to 192 kHz, where the band of a recording at a low rate
would otherwise be read too low.
"""

import math

import numpy as np
import scipy.ndimage
import soxr
from jaxtyping import Float, Float32

GATE_SECONDS = 0.4
"""Of the blocks over which loudness is averaged."""
LIMITER_SECONDS = 0.01
"""That the gain of the limiter takes down before a peak, stays there, and takes up again."""
LOWEST_RATE = 8000
"""Hz from which on loudness is measured: its filters need the band up to 4 kHz."""
OVERSAMPLED_RATE = 192_000
"""Hz at which true peaks are read, at least."""
_FACTOR = 4
_LOW_FREQUENCY = 3
"""The channel of 5.1, in the order of WAV files, that does not count."""
_CONTEXT = 1 << 10
_BLOCK = 1 << 18


def integrated_loudness(samples: Float[np.ndarray, "n a"], sample_rate: int) -> float:
    """Gated loudness in LUFS (ITU-R BS.1770-4).

    Args:
      samples: finite, as `check_measurable` has them; repeated where they do not fill one block of
        400 ms. Six channels are 5.1: front left, right, centre, low frequencies, surround.
      sample_rate: Hz.

    Returns:
      Minus infinity where every block is below -70 LUFS.
    """
    import pyloudnorm  # half a second, which clips that are only kept from clipping need not

    if samples.shape[1] == 6:
        samples = np.delete(samples, _LOW_FREQUENCY, axis=1)
    block = int(np.ceil(GATE_SECONDS * sample_rate)) + 1
    if len(samples) < block:
        samples = np.tile(samples, (-(-block // len(samples)), 1))[:block]
    # An incomplete block at the end does not count: pyloudnorm takes it for a whole one.
    hop = GATE_SECONDS / 4 * sample_rate
    samples = samples[: math.ceil(4 * hop + (len(samples) - 4 * hop) // hop * hop)]
    meter = pyloudnorm.Meter(sample_rate, block_size=GATE_SECONDS)
    with np.errstate(all="ignore"):
        return float(meter.integrated_loudness(samples.astype(np.float64)))


def check_measurable(sample_rate: int, channels: int) -> None:
    """Raises ValueError for clips whose loudness BS.1770 does not define, or not at this rate."""
    if sample_rate < LOWEST_RATE:
        raise ValueError(
            f"loudness at {sample_rate} Hz: it is measured from {LOWEST_RATE} Hz on, give a higher "
            "sample rate"
        )
    if channels > 6:
        raise ValueError(f"loudness of {channels} channels: it is measured of 5.1 at most")


def true_peaks(
    samples: Float32[np.ndarray, "n a"], sample_rate: int, loops: bool = False
) -> Float32[np.ndarray, " n"]:
    """The highest magnitude from each sample to the next, in any channel.

    Args:
      samples: float32 [n a].
      sample_rate: Hz.
      loops: does the end go on at the beginning? Else silence is before and behind.
    """
    factor = max(_FACTOR, -(-OVERSAMPLED_RATE // sample_rate))
    around = ((_CONTEXT, _CONTEXT), (0, 0))
    padded = np.pad(samples, around, mode="wrap" if loops else "constant")
    peaks = np.empty(len(samples), np.float32)
    for start in range(0, len(samples), _BLOCK):
        count = min(_BLOCK, len(samples) - start)
        block = padded[start : start + count + 2 * _CONTEXT]
        dense = soxr.resample(block, 1, factor, quality="VHQ")
        dense = np.abs(dense[_CONTEXT * factor : (_CONTEXT + count) * factor]).max(axis=1)
        peaks[start : start + count] = dense.reshape(count, factor).max(axis=1)
    return peaks


def limited(
    samples: Float32[np.ndarray, "n a"], sample_rate: int, peak: float, loops: bool = False
) -> Float32[np.ndarray, "n a"]:
    """Takes down what is over a true peak, and a little around it, all channels alike.

    The gain looks ahead: it is the least that is needed within 10 ms, smoothed over as many (no
    phase is changed, nothing is clipped).

    Args:
      samples: float32 [n a].
      sample_rate: Hz.
      peak: linear true peak that is not passed.
      loops: see `true_peaks`.
    """
    levels = true_peaks(samples, sample_rate, loops)
    if levels.max(initial=0.0) <= peak:
        return samples
    needed = np.minimum(1.0, peak / np.maximum(levels, peak))
    reach = max(1, round(LIMITER_SECONDS * sample_rate))
    mode = "wrap" if loops else "nearest"
    lowest = scipy.ndimage.minimum_filter1d(needed, 2 * reach + 1, mode=mode)
    window = np.hanning(2 * reach + 3)[1:-1]
    gain = scipy.ndimage.convolve1d(lowest, window / window.sum(), mode=mode)
    quieter = samples * gain[:, None].astype(np.float32)
    # A gain that moves adds a little between the samples.
    over = float(true_peaks(quieter, sample_rate, loops).max()) / peak
    return quieter / np.float32(max(1.0, over))
