"""Pitch and length of a clip, changed apart from each other."""

import librosa
import numpy as np
import soxr
from jaxtyping import Float32

WINDOW_SECONDS = 0.064
"""Of the phase vocoder, at most; a power of two of samples."""


def shift_and_stretch(
    clip: Float32[np.ndarray, "m a"], semitones: float, stretch: float, sample_rate: int
) -> Float32[np.ndarray, "n a"]:
    """A clip at another pitch and of another length.

    One phase vocoder makes it longer by both factors, then it is resampled, which gives back the
    length that belongs to the pitch.

    Args:
      clip: samples.
      semitones: by which the pitch rises.
      stretch: the factor by which it gets longer.
      sample_rate: Hz.

    Returns:
      About m x `stretch` samples; the clip itself if nothing is to change.
    """
    pitch = 2.0 ** (semitones / 12)
    if pitch * stretch != 1.0:
        longest = min(WINDOW_SECONDS * sample_rate, len(clip))
        window = max(4, 1 << int(np.log2(longest)))
        channels = np.ascontiguousarray(clip.T)
        clip = librosa.effects.time_stretch(channels, rate=1 / (pitch * stretch), n_fft=window).T
    if pitch != 1.0:
        clip = soxr.resample(clip, pitch, 1.0)
    return np.ascontiguousarray(clip, np.float32)
