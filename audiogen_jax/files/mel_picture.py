"""Mel-spectrogram pictures."""

from pathlib import Path

import librosa
import numpy as np
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from audiogen_jax.files.atomic import written_atomically

MELS = 128
TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000)


def plot_mel(
    path: str | Path, samples: Float[np.ndarray, " n"], sample_rate: int, title: str = ""
) -> Path:
    """Writes a PNG with the waveform above its 128-band mel spectrogram in dB.

    Args:
      path: a `.png` file; missing folders are made.
      samples: float [n].
      sample_rate: Hz.
      title: text above the picture, wrapped to its width.

    Raises:
      ValueError: another suffix.
      OSError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path}: cannot write a {path.suffix!r} picture, expected .png")
    power = librosa.feature.melspectrogram(
        y=samples, sr=sample_rate, n_fft=1024, hop_length=160, n_mels=MELS
    )
    decibels = librosa.power_to_db(power, ref=np.max, top_db=80.0)
    seconds = len(samples) / sample_rate

    # A Figure of its own, without pyplot: no global state and no display needed.
    figure = Figure(figsize=(10, 5), layout="constrained")
    FigureCanvasAgg(figure)
    wave, mel = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    wave.plot(np.arange(len(samples)) / sample_rate, samples, linewidth=0.3)
    wave.set(ylabel="amplitude", xlim=(0.0, seconds))
    if title:
        wave.set_title(title, fontsize=9, wrap=True, parse_math=False)
    image = mel.imshow(
        decibels, origin="lower", aspect="auto", cmap="magma", extent=(0.0, seconds, 0.0, MELS)
    )
    hertz = [hz for hz in TICKS_HZ if hz <= sample_rate / 2]
    bands = librosa.mel_frequencies(MELS + 1, fmax=sample_rate / 2)
    mel.set_yticks(np.interp(hertz, bands, np.arange(MELS + 1)), [str(hz) for hz in hertz])
    mel.set(xlabel="time (s)", ylabel="frequency (Hz)")
    figure.colorbar(image, ax=mel, label="dB below peak", pad=0.01)
    with written_atomically(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return path
