"""Silero VAD: when somebody speaks, by a network that nobody here trained."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.recognisers.wheel_weights import (
    NotInstalledError,
    onnx_session,
    weights_in_wheel,
)
from audiogen_jax.evaluate.waveforms import resample

SAMPLE_RATE = 16000
CHUNK = 512
"""Samples that the network hears at a time, after the last `CONTEXT` of the chunk before."""
CONTEXT = 64
BEFORE = 16 * CHUNK
"""Samples of silence put before each clip, in which the network finds its state."""
PEAK = 0.5
THRESHOLD = 0.5
"""Probability from which on a chunk counts as speech, as the network's authors say."""
INSTALL = "pip install --no-deps silero-vad"
"""Without its dependencies: its own code runs in torch, the weights do not need it."""


class SpeechActivity:
    """Probabilities of speech (Silero Team 2021, MIT), from the weights in the wheel.

    Raises:
      NotInstalledError: the wheel or onnxruntime is not installed.
    """

    def __init__(self):
        self._session = onnx_session(
            weights_in_wheel("silero_vad", "data/silero_vad.onnx", INSTALL)
        )

    def probabilities(
        self, samples: Float[np.ndarray, " n"], sample_rate: int
    ) -> Float[np.ndarray, " c"]:
        """How probable speech is in each 32 ms of a clip, which is brought to one peak.

        Args:
          samples: float [n].
          sample_rate: Hz.
        """
        audio = resample(samples, sample_rate, SAMPLE_RATE)
        audio = PEAK * audio / max(float(np.abs(audio).max(initial=0.0)), 1e-9)
        audio = np.pad(audio, (CONTEXT + BEFORE, -len(audio) % CHUNK)).astype(np.float32)
        state = np.zeros((2, 1, 128), np.float32)
        rate = np.array(SAMPLE_RATE, np.int64)
        heard = []
        for start in range(0, len(audio) - CONTEXT, CHUNK):
            chunk = audio[None, start : start + CONTEXT + CHUNK]
            output, state = self._session.run(None, {"input": chunk, "state": state, "sr": rate})
            heard.append(float(np.asarray(output)[0, 0]))
        return np.array(heard[BEFORE // CHUNK :], np.float32)

    def onsets(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> list[float | None]:
        """When the speech begins that is most certain, in seconds; None where nobody speaks.

        Args:
          clips: mono, float [n] each.
          sample_rate: of the clips, Hz.
        """
        return [_onset(self.probabilities(clip, sample_rate)) for clip in clips]


def speech_activity_or_why() -> tuple[SpeechActivity | None, str | None]:
    """Silero VAD, or why it is not here."""
    try:
        return SpeechActivity(), None
    except NotInstalledError as error:
        return None, f"without Silero VAD: {error}"


def _onset(probabilities: Float[np.ndarray, " c"]) -> float | None:
    first = int(probabilities.argmax())
    if probabilities[first] < THRESHOLD:
        return None
    while first and probabilities[first - 1] >= THRESHOLD:
        first -= 1
    return first * CHUNK / SAMPLE_RATE
