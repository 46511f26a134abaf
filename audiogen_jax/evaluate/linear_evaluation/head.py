"""A linear head on vectors: LayerNorm, then Linear (X-ARES `models/simple.py`)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

EPSILON = 1e-5
LEARNING_RATE = 1e-3
LAST_RATE = 0.1
"""Of the learning rate, what a cosine over the epochs goes towards."""
ADAM = optax.scale_by_adam()


class Head(NamedTuple):
    """Parameters of a head.

    Attributes:
      scale: of the LayerNorm.
      shift: of the LayerNorm.
      kernel: of the linear layer.
      bias: of the linear layer.
    """

    scale: Float[Array, " d"]
    shift: Float[Array, " d"]
    kernel: Float[Array, "d c"]
    bias: Float[Array, " c"]


def init_head(rng: np.random.Generator, width: int, classes: int, columns: int) -> Head:
    """A new head, uniform in +-1 / sqrt(width) as in PyTorch.

    Args:
      rng: draws it.
      width: of the vectors.
      classes: that it tells apart.
      columns: of its kernel; those past the classes are zero and stay so.
    """
    limit = width**-0.5
    padding = (0, columns - classes)
    kernel = rng.uniform(-limit, limit, (width, classes)).astype(np.float32)
    bias = rng.uniform(-limit, limit, classes).astype(np.float32)
    return Head(
        jnp.ones(width),
        jnp.zeros(width),
        jnp.asarray(np.pad(kernel, ((0, 0), padding))),
        jnp.asarray(np.pad(bias, padding)),
    )


def head_logits(head: Head, vectors: Float[Array, "b d"]) -> Float[Array, "b c"]:
    """Logits of each vector."""
    centred = vectors - vectors.mean(axis=-1, keepdims=True)
    variance = jnp.square(centred).mean(axis=-1, keepdims=True)
    normed = centred * jax.lax.rsqrt(variance + EPSILON)
    return (normed * head.scale + head.shift) @ head.kernel + head.bias


def head_loss(
    head: Head,
    vectors: Float[Array, "b d"],
    targets: Int[Array, "b ..."],
    weights: Float[Array, " b"],
    known: Bool[Array, " c"],
    positive_weight: Float[Array, ""],
) -> Float[Array, ""]:
    """Cross-entropy of classes [b], or binary cross-entropy of 0 and 1 [b c]; the mean over rows.

    Args:
      head: parameters.
      vectors: of a batch; those of weight 0 change nothing, NaN included.
      targets: their answers.
      weights: 1 for what counts, else 0.
      known: columns that are classes of the task.
      positive_weight: of positive terms of the binary loss.
    """
    vectors = jnp.where(weights[:, None] > 0, vectors, 0)
    logits = head_logits(head, vectors)
    if targets.ndim == 1:
        log_probs = jax.nn.log_softmax(jnp.where(known, logits, -1e30))
        losses = -jnp.take_along_axis(log_probs, targets[:, None], axis=1)[:, 0]
    else:
        truth = targets.astype(logits.dtype)
        terms = -positive_weight * truth * jax.nn.log_sigmoid(logits)
        terms -= (1 - truth) * jax.nn.log_sigmoid(-logits)
        losses = jnp.where(known, terms, 0).sum(axis=1) / known.sum()
    return jnp.sum(weights * losses) / jnp.maximum(weights.sum(), 1)


def update(
    head: Head,
    state: optax.OptState,
    vectors: Float[Array, "b d"],
    targets: Int[Array, "b ..."],
    weights: Float[Array, " b"],
    rate: Float[Array, ""],
    known: Bool[Array, " c"],
    positive_weight: Float[Array, ""],
) -> tuple[Head, optax.OptState]:
    """A step of Adam.

    Args:
      head: parameters.
      state: of `ADAM`.
      vectors: see `head_loss`, as the others.
      targets: see there.
      weights: see there.
      rate: learning rate.
      known: see there.
      positive_weight: see there.
    """
    gradient = jax.grad(head_loss)(head, vectors, targets, weights, known, positive_weight)
    updates, moved = ADAM.update(gradient, state)
    return jax.tree.map(lambda value, change: value - rate * change, head, updates), moved


def learning_rate(epoch: int, epochs: int) -> float:
    """Of an epoch from 0: ignite's CosineAnnealingScheduler, which is moved once an epoch."""
    cosine = (1 + np.cos(np.pi * epoch / epochs)) / 2
    return float(LEARNING_RATE * (LAST_RATE + (1 - LAST_RATE) * cosine))
