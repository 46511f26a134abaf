"""Scale-invariant signal-to-distortion ratio."""

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.metrics.inputs import signals


def si_sdr(reference: Float[np.ndarray, " n"], estimate: Float[np.ndarray, " n"]) -> float:
    """SI-SDR in dB (Le Roux et al. 2019, eq. 3); the mean of both signals is removed first.

    Args:
      reference: float [n], not constant.
      estimate: float [n].

    Returns:
      dB; higher is better, unchanged when `estimate` is scaled, +inf for a scaled copy,
      -inf for an estimate that holds nothing of the reference, as silence.

    Raises:
      ValueError: different lengths, NaN, or a constant reference.
    """
    reference, estimate = signals(reference, estimate)
    reference = reference - reference.mean()
    estimate = estimate - estimate.mean()
    energy = reference @ reference
    if energy == 0.0:
        raise ValueError("the reference is constant: SI-SDR is not defined")
    target = (estimate @ reference / energy) * reference
    if not np.any(target):
        return -np.inf
    distortion = estimate - target
    with np.errstate(divide="ignore"):
        return float(10 * np.log10((target @ target) / (distortion @ distortion)))
