"""Speech intelligibility and quality against a reference: STOI and wide-band PESQ."""

import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.metrics.inputs import signals
from audiogen_jax.evaluate.waveforms import resample

PESQ_RATE = 16000
"""Hz that wide-band PESQ is defined for."""


def stoi(
    reference: Float[np.ndarray, " n"], estimate: Float[np.ndarray, " n"], sample_rate: int
) -> float | None:
    """Short-time objective intelligibility (Taal et al. 2011).

    Args:
      reference: float [n], speech.
      estimate: float [n].
      sample_rate: Hz.

    Returns:
      About 0 to 1; None if the reference is silent, or has less than the 0.4 s of speech that
      STOI needs.

    Raises:
      ValueError: different lengths, NaN, or the `eval` extra is not installed.
    """
    signals(reference, estimate)
    measure = _import("pystoi", "stoi")
    if not np.any(reference):
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
        try:
            return float(measure(reference, estimate, sample_rate))
        except RuntimeWarning:
            return None


def pesq_wb(
    reference: Float[np.ndarray, " n"], estimate: Float[np.ndarray, " n"], sample_rate: int
) -> float | None:
    """Wide-band PESQ (ITU-T P.862.2), of both signals at 16 kHz.

    Args:
      reference: float [n], speech.
      estimate: float [n].
      sample_rate: Hz.

    Returns:
      MOS-LQO, about 1 to 4.64; None if P.862 finds no utterance or too little sound in either.

    Raises:
      ValueError: different lengths, NaN, a silent estimate, or the `eval` extra is not installed.
    """
    signals(reference, estimate)
    measure = _import("pesq", "pesq")
    if not np.any(estimate):
        raise ValueError("the estimate is silent: PESQ is not defined")
    from pesq import BufferTooShortError, NoUtterancesError

    resampled = [resample(x, sample_rate, PESQ_RATE) for x in (reference, estimate)]
    try:
        return float(measure(PESQ_RATE, *resampled, "wb"))
    except (NoUtterancesError, BufferTooShortError):
        return None


def _import(module: str, name: str) -> Callable[..., float]:
    try:
        return getattr(__import__(module, fromlist=[name]), name)
    except ImportError as error:
        raise ValueError(f"evaluation needs {module}: pip install 'audiogen-jax[eval]'") from error
