"""Mel-spectrogram pictures: an image for TensorBoard, a plot with axes as a file."""

import warnings
from pathlib import Path

import librosa
import matplotlib
import matplotlib.font_manager
import numpy as np
from jaxtyping import Float, Float32, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from audiogen_jax.files.atomic import written_atomically
from audiogen_jax.types import as_float32

MELS = 128
WINDOW_SECONDS = 0.064
HOP_SECONDS = 0.01
RANGE_DB = 80.0
"""What lies this far below the peak, or further, is black."""
COLOURS = "magma"
FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans", "WenQuanYi Zen Hei"),
    *("Droid Sans Fallback", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic"),
    *("Malgun Gothic", "Arial Unicode MS", "Noto Sans", "Unifont"),
)
"""For scripts that the default font lacks, where they are installed."""
TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000)


def mel_image(
    samples: Float[np.ndarray, "n ..."], sample_rate: int
) -> UInt8[np.ndarray, "f frames 3"]:
    """The mel spectrogram as an image, a pixel for each band and hop, low bands at the bottom.

    Args:
      samples: float [n] or [n a], the power of whose channels is averaged.
      sample_rate: Hz.

    Raises:
      ValueError: no samples, or some that are not finite.
    """
    decibels = _decibels(_columns(samples), sample_rate)
    colours = matplotlib.colormaps[COLOURS](decibels[::-1] / RANGE_DB + 1.0)
    return np.asarray(255 * colours[..., :3], np.uint8)


def plot_mel(
    path: str | Path, samples: Float[np.ndarray, "n ..."], sample_rate: int, title: str = ""
) -> Path:
    """Writes a PNG with the waveform above its 128-band mel spectrogram in dB.

    Args:
      path: a `.png` file; missing folders are made.
      samples: float [n] or [n a], the power of whose channels is averaged.
      sample_rate: Hz.
      title: text above the picture, wrapped to its width.

    Raises:
      ValueError: another suffix; no samples, or some that are not finite.
      OSError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path}: cannot write a {path.suffix!r} picture, expected .png")
    columns = _columns(samples)
    decibels = _decibels(columns, sample_rate)
    seconds = len(columns) / sample_rate

    # A Figure of its own, without pyplot: no global state and no display needed.
    figure = Figure(figsize=(10, 5), layout="constrained")
    FigureCanvasAgg(figure)
    wave, mel = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    wave.plot(np.arange(len(columns)) / sample_rate, columns, linewidth=0.3)
    wave.set(ylabel="amplitude", xlim=(0.0, seconds))
    if title:
        installed = set(matplotlib.font_manager.get_font_names())
        fonts = ["DejaVu Sans", *(font for font in FONTS if font in installed)]
        wave.set_title(title, fontsize=9, wrap=True, parse_math=False, family=fonts)
    image = mel.imshow(
        decibels, origin="lower", aspect="auto", cmap=COLOURS, extent=(0.0, seconds, 0.0, MELS)
    )
    hertz = [hz for hz in TICKS_HZ if hz <= sample_rate / 2]
    bands = librosa.mel_frequencies(MELS + 1, fmax=sample_rate / 2)
    mel.set_yticks(np.interp(hertz, bands, np.arange(MELS + 1)), [str(hz) for hz in hertz])
    mel.set(xlabel="time (s)", ylabel="frequency (Hz)")
    figure.colorbar(image, ax=mel, label="dB below peak", pad=0.01)
    with written_atomically(path) as temporary, warnings.catch_warnings():
        # Letters that no font has are boxes in the title: no reason to warn of each.
        warnings.filterwarnings(
            "ignore", "Glyph .* missing from font|Matplotlib currently does not"
        )
        figure.savefig(temporary, dpi=120)
    return path


def _columns(samples: Float[np.ndarray, "n ..."]) -> Float32[np.ndarray, "n a"]:
    columns = as_float32(samples, "audio")
    columns = columns[:, None] if columns.ndim == 1 else columns
    if columns.ndim != 2 or not columns.size or not np.isfinite(columns).all():
        raise ValueError(
            f"no picture of audio of shape {samples.shape}: expected finite samples [n] or [n a]"
        )
    return columns


def _decibels(
    columns: Float32[np.ndarray, "n a"], sample_rate: int
) -> Float[np.ndarray, "f frames"]:
    """Mel spectrogram in dB below its peak."""
    power = librosa.feature.melspectrogram(
        y=np.ascontiguousarray(columns.T),
        sr=sample_rate,
        n_fft=round(WINDOW_SECONDS * sample_rate),
        hop_length=round(HOP_SECONDS * sample_rate),
        n_mels=MELS,
    )
    return librosa.power_to_db(power.mean(axis=0), ref=np.max, top_db=RANGE_DB)
