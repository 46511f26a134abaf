"""DNSMOS P.835: how listeners would rate speech, by networks that nobody here trained."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.recognisers.wheel_weights import onnx_session, weights_in_wheel
from audiogen_jax.evaluate.waveforms import resample

SAMPLE_RATE = 16000
LENGTH = 144160
"""Samples that the network hears: 9.01 s; shorter clips are repeated, as its authors do."""
FITS = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)
"""Polynomials from what the network says to ratings (Reddy et al. 2022, DNS-Challenge)."""
INSTALL = "pip install 'audiogen-jax[eval]'"


class SpeechQuality(NamedTuple):
    """Predicted mean opinions, from 1 to 5.

    Attributes:
      speech: how little the voice is distorted.
      background: how little noise there is.
      overall: of both.
    """

    speech: float
    background: float
    overall: float


class SpeechRatings:
    """DNSMOS P.835 (Reddy et al. 2022), from the weights in the wheel `speechmos` (MIT).

    Raises:
      NotInstalledError: the wheel or onnxruntime is not installed.
    """

    def __init__(self):
        path = weights_in_wheel("speechmos", "dnsmos_models/sig_bak_ovr.onnx", INSTALL)
        self._session = onnx_session(path)

    def rate(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> list[SpeechQuality]:
        """Ratings of clips, of each the mean over windows that begin a second apart.

        Args:
          clips: mono, float [n] each, within [-1, 1].
          sample_rate: of the clips, Hz.
        """
        return [self._rate(resample(clip, sample_rate, SAMPLE_RATE)) for clip in clips]

    def _rate(self, samples: Float[np.ndarray, " n"]) -> SpeechQuality:
        audio = np.asarray(samples, np.float32)
        while len(audio) < LENGTH:
            audio = np.concatenate([audio, audio])
        starts = range(0, max(len(audio) // SAMPLE_RATE * SAMPLE_RATE - LENGTH, 0) + 1, SAMPLE_RATE)
        said = []
        for start in starts:
            window = audio[None, start : start + LENGTH]
            said.append(np.asarray(self._session.run(None, {"input_1": window})[0])[0])
        ratings = [
            float(np.mean(np.polyval(fit, heard)))
            for fit, heard in zip(FITS, np.stack(said, axis=1), strict=True)
        ]
        return SpeechQuality(*ratings)
