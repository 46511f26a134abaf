"""Pitch and length of a clip, changed apart from each other."""

import librosa
import numpy as np
import soxr
from jaxtyping import Complex64, Float32

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
        clip = _stretched(clip, pitch * stretch, sample_rate)
    if pitch != 1.0:
        clip = soxr.resample(clip, pitch, 1.0)
    return np.ascontiguousarray(clip, np.float32)


def _stretched(
    clip: Float32[np.ndarray, "m a"], factor: float, sample_rate: int
) -> Float32[np.ndarray, "n a"]:
    """A clip that is longer by a factor, its pitch kept, by a phase vocoder."""
    longest = min(WINDOW_SECONDS * sample_rate, len(clip))
    window = max(4, 1 << int(np.log2(longest)))
    spectrum = librosa.stft(np.ascontiguousarray(clip.T), n_fft=window)
    stretched = stretched_spectrum(spectrum, factor)
    return librosa.istft(stretched, n_fft=window, length=round(len(clip) * factor)).T


def stretched_spectrum(
    spectrum: Complex64[np.ndarray, "a f t"], factor: float
) -> Complex64[np.ndarray, "a f s"]:
    """Frames of a short-time spectrum at other times, each as far in phase from the last as there.

    The phase vocoder (Flanagan and Golden, "Phase Vocoder", 1966) as `librosa.phase_vocoder` has
    it, which goes from frame to frame in Python and adds angles up in float32. With one hop before
    and after, a frame turns by the angle between two neighbours, so that a running product of unit
    numbers is all of it.

    Args:
      spectrum: frames of a clip.
      factor: by which there are more frames.
    """
    frames = np.pad(spectrum.swapaxes(1, 2), ((0, 0), (0, 2), (0, 0)))
    steps = np.arange(0, spectrum.shape[-1], 1 / factor)
    first = steps.astype(int)
    magnitude = np.abs(frames)
    unit = np.where(magnitude > 0, frames / np.where(magnitude > 0, magnitude, 1), 1)
    turns = unit[:, 1:] * unit[:, :-1].conj()
    phase = np.cumprod(np.concatenate([unit[:, :1], turns[:, first[:-1]]], axis=1), axis=1)
    rises = np.diff(magnitude, axis=1)
    between = (steps - first).astype(np.float32)[:, None]
    return (phase * (magnitude[:, first] + between * rises[:, first])).swapaxes(1, 2)
