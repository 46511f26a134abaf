"""Scale-invariant signal-to-distortion ratio."""

import numpy as np
from jaxtyping import Float


def si_sdr(reference: Float[np.ndarray, " n"], estimate: Float[np.ndarray, " n"]) -> float:
    """SI-SDR in dB (Le Roux et al. 2019, eq. 3); the mean of both signals is removed first.

    Args:
      reference: float [n], not constant.
      estimate: float [n].

    Returns:
      dB; higher is better, unchanged when `estimate` is scaled, +inf for a scaled copy.

    Raises:
      ValueError: different lengths, or a constant reference.
    """
    reference = np.asarray(reference, np.float64)
    estimate = np.asarray(estimate, np.float64)
    if reference.shape != estimate.shape or reference.ndim != 1:
        raise ValueError(f"signals of shape {reference.shape} and {estimate.shape}: expected [n]")
    reference = reference - reference.mean()
    estimate = estimate - estimate.mean()
    energy = reference @ reference
    if energy == 0.0:
        raise ValueError("the reference is constant: SI-SDR is not defined")
    target = (estimate @ reference / energy) * reference
    distortion = estimate - target
    with np.errstate(divide="ignore"):
        return float(10 * np.log10((target @ target) / (distortion @ distortion)))
