"""Divergence of what a classifier hears in a reference clip and in the generated one, in nats."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from audiogen_jax.evaluate.metrics.inputs import pairs

PUBLISHED_EPSILON = 1e-6
"""What audioldm_eval and AudioGen add to the probabilities of the generated clip."""


def softmax_divergence(
    reference: ArrayLike, generated: ArrayLike, epsilon: float = 0.0
) -> Float[np.ndarray, " n"]:
    """Sum_k p_k log(p_k / (q_k + epsilon)), p and q the softmax of reference and generated logits.

    The "KL" of tables since AudioGen (Kreuk et al. 2022), "KL softmax" of audioldm_eval. With
    epsilon 0 it is KL(p || q), which is 0 for equal clips and never negative.

    Args:
      reference: logits [n k].
      generated: logits [n k] of the same prompts.
      epsilon: `PUBLISHED_EPSILON` beside published numbers.

    Returns:
      float [n].

    Raises:
      ValueError: not as many of both, NaN, or a negative epsilon.
    """
    a, b = pairs(reference, generated, "logits")
    log_p, log_q = log_softmax(a), _plus(log_softmax(b), epsilon)
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=1)


def sigmoid_divergence(
    reference: ArrayLike, generated: ArrayLike, epsilon: float = 0.0
) -> Float[np.ndarray, " n"]:
    """Sum_k p_k log(p_k / (q_k + epsilon)), p and q the sigmoid of the logits.

    "KL sigmoid" of audioldm_eval, for taggers such as PANNs that give each class its own
    probability. p and q do not sum to 1, so it is not a divergence and may be negative: a clip in
    which everything is heard scores best. `bernoulli_divergence` is what it should be.

    Args, returns and errors as `softmax_divergence`.
    """
    a, b = pairs(reference, generated, "logits")
    log_p, log_q = _log_sigmoid(a), _plus(_log_sigmoid(b), epsilon)
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=1)


def bernoulli_divergence(reference: ArrayLike, generated: ArrayLike) -> Float[np.ndarray, " n"]:
    """Sum_k KL(Bernoulli(p_k) || Bernoulli(q_k)), p and q the sigmoid of the logits; >= 0.

    The divergence of the independent tags of PANNs (Kong et al. 2020): their cross-entropy, less
    that of the reference with itself.

    Args, returns and errors as `softmax_divergence`, without its epsilon.
    """
    a, b = pairs(reference, generated, "logits")
    there = np.exp(_log_sigmoid(a)) * (_log_sigmoid(a) - _log_sigmoid(b))
    absent = np.exp(_log_sigmoid(-a)) * (_log_sigmoid(-a) - _log_sigmoid(-b))
    return (there + absent).sum(axis=1)


def log_softmax(logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Logarithm of the softmax over classes, exact for any size of logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _log_sigmoid(logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    return -np.logaddexp(0.0, -logits)


def _plus(log_q: Float[np.ndarray, "n k"], epsilon: float) -> Float[np.ndarray, "n k"]:
    """log(q + epsilon)."""
    if not 0.0 <= epsilon < np.inf:
        raise ValueError(f"epsilon {epsilon}: expected at least 0")
    return np.logaddexp(log_q, np.log(epsilon)) if epsilon else log_q
