"""Stems of a recording by masks on its own short-time spectra, from rough copies of the stems.

What a codec decodes has its own phases and says little about the waveform, but where its energy
lies in time and frequency is enough to share a recording out (Wiener filtering). So stems sum to
the recording, keep its rate, its channels and its level, and lose nothing of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

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
    masks = stem_masks(copies, copy_rate)
    grid = Grid(copy_rate, *_sizes(copy_rate, WINDOW_SECONDS, HOP_SECONDS))
    return shared_out(recording, sample_rate, masks, grid)


class Grid(NamedTuple):
    """Where masks stand in time and frequency.

    Attributes:
      rate: Hz of the audio that they were made for.
      window, hop: samples of a spectrum, centred on its time, and from one to the next.
    """

    rate: int
    window: int
    hop: int

    def at(self, sample_rate: int) -> "Grid":
        """Of about the same times, for audio of another rate."""
        seconds = self.window / self.rate, self.hop / self.rate
        return Grid(sample_rate, *_sizes(sample_rate, *seconds))


def shared_out(
    recording: Float32[np.ndarray, "n a"],
    sample_rate: int,
    masks: Float[np.ndarray, "k f t"],
    grid: Grid,
) -> list[Float32[np.ndarray, "n a"]]:
    """Stems of a recording by masks that sum to 1.

    Args:
      recording: of any number of channels, which get the same masks.
      sample_rate: Hz of it.
      masks: of each stem; frequencies that they do not reach get those of the highest one.
      grid: of the masks.

    Returns:
      One stem for each mask; they sum to the recording, but for rounding.
    """
    target = grid.at(sample_rate)
    spectra = _spectra(recording.T, target)
    count = len(recording)
    stems = [
        librosa.istft(mask * spectra, n_fft=target.window, hop_length=target.hop, length=count).T
        for mask in _on_grid(masks[:-1], grid, spectra.shape[1:], target)
    ]
    rest = recording - np.sum(stems, axis=0, dtype=np.float32) if stems else recording
    return [*(stem.astype(np.float32) for stem in stems), rest.astype(np.float32)]


def stem_masks(
    copies: Sequence[Float[np.ndarray, " m"]], sample_rate: int
) -> Float[np.ndarray, "k f t"]:
    """The share of each stem in the energy at every frequency and frame; they sum to 1."""
    grid = Grid(sample_rate, *_sizes(sample_rate, WINDOW_SECONDS, HOP_SECONDS))
    spectra = _spectra(np.stack(copies), grid)
    energies = np.abs(spectra) ** 2
    for axis, size in enumerate(SMOOTHING, 1):
        energies = scipy.ndimage.uniform_filter1d(energies, size, axis)
    total = energies.sum(axis=0)
    return np.where(total > 0, energies / np.where(total > 0, total, 1), 1 / len(copies))


def _spectra(audio: Float[np.ndarray, "a n"], grid: Grid) -> Complex[np.ndarray, "a f t"]:
    audio = np.pad(audio, ((0, 0), (0, max(0, grid.window - audio.shape[1]))))
    return librosa.stft(audio, n_fft=grid.window, hop_length=grid.hop)


def _sizes(sample_rate: int, window: float, hop: float) -> tuple[int, int]:
    """Samples of two times in seconds."""
    return round(window * sample_rate), round(hop * sample_rate)


def _on_grid(
    masks: Float[np.ndarray, "k f t"], grid: Grid, shape: tuple[int, int], target: Grid
) -> list[Float[np.ndarray, "g u"]]:
    """Masks at the frequencies and frames of spectra of another rate."""
    frequencies = np.fft.rfftfreq(target.window, 1 / target.rate)
    frequencies = np.minimum(frequencies, TOP_OF_BAND * grid.rate / 2) * grid.window / grid.rate
    times = np.arange(shape[1]) * target.hop / target.rate * grid.rate / grid.hop
    places = np.meshgrid(frequencies, times, indexing="ij")
    return [scipy.ndimage.map_coordinates(mask, places, order=1, mode="nearest") for mask in masks]
