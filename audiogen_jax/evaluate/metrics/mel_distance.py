"""Distance of two waveforms on a logarithmic mel spectrogram."""

import librosa
import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.metrics.inputs import signals

_FLOOR = 1e-5


def mel_distance(
    reference: Float[np.ndarray, " n"], estimate: Float[np.ndarray, " n"], sample_rate: int
) -> float:
    """Mean absolute difference of natural-log mel magnitudes.

    80 bands, 1024-sample Hann windows every 256 samples, magnitudes floored at 1e-5: the
    mel reconstruction loss of HiFi-GAN (Kong et al. 2020, eq. 4) as a metric.

    Args:
      reference: float [n].
      estimate: float [n].
      sample_rate: Hz.

    Returns:
      Distance in nepers; 0 for identical signals.

    Raises:
      ValueError: different lengths, or NaN.
    """
    a, b = (
        np.log(
            np.maximum(
                librosa.feature.melspectrogram(
                    y=np.asarray(x, np.float32),
                    sr=sample_rate,
                    n_fft=1024,
                    hop_length=256,
                    n_mels=80,
                    power=1.0,
                ),
                _FLOOR,
            )
        )
        for x in signals(reference, estimate)
    )
    return float(np.abs(a - b).mean())
