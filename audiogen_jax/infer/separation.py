"""Stems of a recording by masks on its own short-time spectra, from rough copies of the stems.

What a codec decodes has its own phases and says little about the waveform, but where its energy
lies in time and frequency is enough to share a recording out (Wiener filtering). So stems sum to
the recording, keep its rate, its channels and its level, and lose nothing of it.
"""

from collections.abc import Sequence

import librosa
import numpy as np
import scipy.ndimage
from jaxtyping import Complex, Float, Float32

WINDOW_SECONDS, HOP_SECONDS = 0.032, 0.008
"""Of the spectra."""
SMOOTHING = (3, 5)
"""Frequencies and frames over which energies are averaged: copies are not exact to a bin."""
TOP_OF_BAND = 0.9
"""Share of a copy's band above which its masks go on as they are there."""


def separate(
    recording: Float32[np.ndarray, "n a"],
    sample_rate: int,
    copies: Sequence[Float[np.ndarray, " m"]],
    copy_rate: int,
) -> list[Float32[np.ndarray, "n a"]]:
    """Shares a recording out among stems.

    Args:
      recording: of any number of channels, which get the same masks.
      sample_rate: Hz of it.
      copies: what each stem roughly sounds like, aligned with the recording.
      copy_rate: Hz of these.

    Returns:
      One stem for each copy; they sum to the recording, but for rounding.
    """
    window, hop = _sizes(sample_rate)
    spectra = _spectra(recording.T, sample_rate)
    masks = _on_grid(stem_masks(copies, copy_rate), copy_rate, spectra.shape[1:], sample_rate)
    count = len(recording)
    stems = [
        librosa.istft(mask * spectra, n_fft=window, hop_length=hop, length=count).T
        for mask in masks[:-1]
    ]
    rest = recording - np.sum(stems, axis=0, dtype=np.float32) if stems else recording
    return [*(stem.astype(np.float32) for stem in stems), rest.astype(np.float32)]


def stem_masks(
    copies: Sequence[Float[np.ndarray, " m"]], sample_rate: int
) -> Float[np.ndarray, "k f t"]:
    """The share of each stem in the energy at every frequency and frame; they sum to 1."""
    spectra = _spectra(np.stack(copies), sample_rate)
    energies = np.abs(spectra) ** 2
    for axis, size in enumerate(SMOOTHING, 1):
        energies = scipy.ndimage.uniform_filter1d(energies, size, axis)
    total = energies.sum(axis=0)
    return np.where(total > 0, energies / np.where(total > 0, total, 1), 1 / len(copies))


def _spectra(audio: Float[np.ndarray, "a n"], sample_rate: int) -> Complex[np.ndarray, "a f t"]:
    window, hop = _sizes(sample_rate)
    audio = np.pad(audio, ((0, 0), (0, max(0, window - audio.shape[1]))))
    return librosa.stft(audio, n_fft=window, hop_length=hop)


def _sizes(sample_rate: int) -> tuple[int, int]:
    return round(WINDOW_SECONDS * sample_rate), round(HOP_SECONDS * sample_rate)


def _on_grid(
    masks: Float[np.ndarray, "k f t"], rate: int, shape: tuple[int, int], sample_rate: int
) -> Float[np.ndarray, "k g u"]:
    """Masks at the frequencies and frames of spectra of another rate."""
    frequencies = np.fft.rfftfreq(_sizes(sample_rate)[0], 1 / sample_rate)
    frequencies = np.minimum(frequencies, TOP_OF_BAND * rate / 2) * _sizes(rate)[0] / rate
    times = np.arange(shape[1]) * _sizes(sample_rate)[1] / sample_rate * rate / _sizes(rate)[1]
    grid = np.meshgrid(frequencies, times, indexing="ij")
    return np.stack(
        [scipy.ndimage.map_coordinates(mask, grid, order=1, mode="nearest") for mask in masks]
    )
