"""Mel-spectrogram pictures: an image for TensorBoard, a plot with axes as a file."""

from pathlib import Path

import librosa
import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from audiogen_jax.files.atomic import written_atomically

MELS = 128
WINDOW_SECONDS = 0.064
HOP_SECONDS = 0.01
RANGE_DB = 80.0
"""What lies this far below the peak, or further, is black."""
COLOURS = "magma"
TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000)


def mel_image(
    samples: Float[np.ndarray, "n ..."], sample_rate: int
) -> UInt8[np.ndarray, "f frames 3"]:
    """The mel spectrogram as an image, a pixel for each band and hop, low bands at the bottom.

    Args:
      samples: float [n] or [n a], whose channels are averaged.
      sample_rate: Hz.

    Raises:
      ValueError: no samples, or some that are not finite.
    """
    decibels = _decibels(_mono(samples), sample_rate)
    colours = matplotlib.colormaps[COLOURS](decibels[::-1] / RANGE_DB + 1.0)
    return np.asarray(255 * colours[..., :3], np.uint8)


def plot_mel(
    path: str | Path, samples: Float[np.ndarray, "n ..."], sample_rate: int, title: str = ""
) -> Path:
    """Writes a PNG with the waveform above its 128-band mel spectrogram in dB.

    Args:
      path: a `.png` file; missing folders are made.
      samples: float [n] or [n a], whose channels are averaged.
      sample_rate: Hz.
      title: text above the picture, wrapped to its width.

    Raises:
      ValueError: another suffix; no samples, or some that are not finite.
      OSError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path}: cannot write a {path.suffix!r} picture, expected .png")
    mono = _mono(samples)
    decibels = _decibels(mono, sample_rate)
    seconds = len(mono) / sample_rate

    # A Figure of its own, without pyplot: no global state and no display needed.
    figure = Figure(figsize=(10, 5), layout="constrained")
    FigureCanvasAgg(figure)
    wave, mel = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    wave.plot(np.arange(len(mono)) / sample_rate, mono, linewidth=0.3)
    wave.set(ylabel="amplitude", xlim=(0.0, seconds))
    if title:
        wave.set_title(title, fontsize=9, wrap=True, parse_math=False)
    image = mel.imshow(
        decibels, origin="lower", aspect="auto", cmap=COLOURS, extent=(0.0, seconds, 0.0, MELS)
    )
    hertz = [hz for hz in TICKS_HZ if hz <= sample_rate / 2]
    bands = librosa.mel_frequencies(MELS + 1, fmax=sample_rate / 2)
    mel.set_yticks(np.interp(hertz, bands, np.arange(MELS + 1)), [str(hz) for hz in hertz])
    mel.set(xlabel="time (s)", ylabel="frequency (Hz)")
    figure.colorbar(image, ax=mel, label="dB below peak", pad=0.01)
    with written_atomically(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return path


def _mono(samples: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, " n"]:
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    if mono.ndim != 1 or not mono.size or not np.isfinite(mono).all():
        raise ValueError(
            f"no picture of audio of shape {samples.shape}: expected finite samples [n] or [n a]"
        )
    return mono


def _decibels(mono: Float[np.ndarray, " n"], sample_rate: int) -> Float[np.ndarray, "f frames"]:
    """Mel spectrogram in dB below its peak."""
    power = librosa.feature.melspectrogram(
        y=mono,
        sr=sample_rate,
        n_fft=round(WINDOW_SECONDS * sample_rate),
        hop_length=round(HOP_SECONDS * sample_rate),
        n_mels=MELS,
    )
    return librosa.power_to_db(power, ref=np.max, top_db=RANGE_DB)
