"""Pictures show the sound where it is, in time and in pitch."""

from pathlib import Path

import librosa
import matplotlib.image
import numpy as np
import pytest

from audiogen_jax.files.mel_picture import MELS, mel_image, plot_mel


def burst(rate: int) -> np.ndarray:
    """A second of 1 kHz from 1 s on, in 3 s."""
    seconds = np.arange(3 * rate) / rate
    inside = (seconds >= 1) & (seconds < 2)
    return (0.5 * np.sin(2 * np.pi * 1000 * seconds) * inside).astype(np.float32)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_tone_is_bright_where_it_sounds(rate: int):
    image = mel_image(burst(rate), rate)
    assert image.dtype == np.uint8 and image.shape == (MELS, 301, 3)
    bright = image.sum(axis=2)
    bands = librosa.mel_frequencies(MELS, fmax=rate / 2)
    row = MELS - 1 - int(np.argmin(np.abs(bands - 1000)))
    assert abs(int(bright[:, 150].argmax()) - row) <= 1
    assert bright[row, 110:190].min() > 400 > 50 > bright[:, [20, 280]].max()


@pytest.mark.parametrize("gains", [(2, 0), (1, 1), (1, -1)])
def test_the_power_of_channels_is_averaged(gains):
    mono = burst(16000)
    stereo = mono[:, None] * np.array(gains)
    image = mel_image(stereo, 16000).astype(int)
    assert np.abs(image - mel_image(mono, 16000)).max() <= 2


def test_a_plot_is_a_picture(tmp_path: Path):
    path = plot_mel(tmp_path / "new" / "a.png", burst(16000), 16000, "a tone of $1 kHz")
    pixels = matplotlib.image.imread(path)
    assert pixels.shape[:2] == (600, 1200) and pixels.std() > 0.1
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(ValueError, match=r"cannot write a '\.jpg' picture"):
        plot_mel(tmp_path / "a.jpg", burst(16000), 16000)


def test_titles_in_any_script(tmp_path: Path, recwarn, caplog):
    for title in ("狗在雨中叫 犬 개 कुत्ता כלב كلب", "\U0001f436 \u0378 a\tb\x07"):
        path = plot_mel(tmp_path / "a.png", burst(16000), 16000, title)
        assert matplotlib.image.imread(path).shape[:2] == (600, 1200)
    assert not [*recwarn, *caplog.records]


@pytest.mark.parametrize(
    "samples", [np.zeros(0, "f4"), np.full((9, 2), np.nan, "f4"), np.zeros((2, 3, 4), "f4")]
)
def test_what_has_no_picture(tmp_path: Path, samples: np.ndarray):
    with pytest.raises(ValueError, match="expected finite samples"):
        plot_mel(tmp_path / "a.png", samples, 16000)
    assert not list(tmp_path.iterdir())


def test_silence_has_one():
    assert not mel_image(np.zeros(16000, "f4"), 16000).std(axis=(0, 1)).any()
