"""What networks hear that do not read waveforms: log-mels of published models, by name.

Each is of one window of samples, as long as the model's own; shorter ones are filled up as the
model's authors do.
"""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import librosa
import numpy as np
from jaxtyping import Float, Float32

from audiogen_jax.evaluate.embedders import vggish


class FrontEnd(NamedTuple):
    """Of a model.

    Attributes:
      sample_rate: Hz.
      seconds: of a window.
      compute: samples of at most a window -> what the network reads, without an axis of clips.
    """

    sample_rate: int
    seconds: float
    compute: Callable[[Float[np.ndarray, " n"]], Float32[np.ndarray, "..."]]


def clap_log_mel(samples: Float[np.ndarray, " n"]) -> Float32[np.ndarray, "1001 64"]:
    """Of LAION's CLAP "unfused" (arXiv:2211.06687): decibels of 64 Slaney bands, 50 to 14000 Hz.

    Args:
      samples: at most 480000 at 48 kHz; fewer are repeated as often as they fit, then zeros follow.
    """
    length = 480000
    samples = np.tile(samples.astype(np.float64), length // len(samples))
    samples = np.pad(samples, (0, length - len(samples)))
    spectrum = librosa.stft(samples, n_fft=1024, hop_length=480, pad_mode="reflect")
    mel = _slaney(48000, 1024, 64, 50.0, 14000.0) @ np.abs(spectrum) ** 2
    return (10 * np.log10(np.maximum(mel, 1e-10))).T.astype(np.float32)


def whisper_log_mel(
    samples: Float[np.ndarray, " n"], n_mels: int = 80
) -> Float32[np.ndarray, "{n_mels} 3000"]:
    """Of Whisper (arXiv:2212.04356): 8 decades under the loudest of 30 s, about -1 to 1.

    Args:
      samples: at most 480000 at 16 kHz; zeros follow.
      n_mels: 80, of "large-v3" 128.
    """
    samples = np.pad(samples.astype(np.float64), (0, 480000 - len(samples)))
    spectrum = librosa.stft(samples, n_fft=400, hop_length=160, pad_mode="reflect")[:, :-1]
    mel = _slaney(16000, 400, n_mels, 0.0, 8000.0) @ np.abs(spectrum) ** 2
    decades = np.log10(np.maximum(mel, 1e-10))
    return ((np.maximum(decades, decades.max() - 8) + 4) / 4).astype(np.float32)


def vggish_log_mel(samples: Float[np.ndarray, " n"]) -> Float32[np.ndarray, "96 64"]:
    """Of VGGish, see `vggish.patches`; zeros fill up the patch."""
    return vggish.patches(samples)[0]


@functools.cache
def _slaney(
    sample_rate: int, n_fft: int, n_mels: int, lowest: float, highest: float
) -> Float[np.ndarray, "f b"]:
    return librosa.filters.mel(
        sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=lowest, fmax=highest, dtype=np.float64
    )


FRONT_ENDS: Mapping[str, FrontEnd] = {
    "clap": FrontEnd(48000, 10.0, clap_log_mel),
    "vggish": FrontEnd(16000, (vggish.WINDOW + (vggish.PATCH - 1) * vggish.HOP) / 16000,
                       vggish_log_mel),
    "whisper": FrontEnd(16000, 30.0, whisper_log_mel),
    "whisper-128": FrontEnd(16000, 30.0, functools.partial(whisper_log_mel, n_mels=128)),
}  # fmt: skip
