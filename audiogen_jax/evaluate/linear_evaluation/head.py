"""A linear head on vectors: LayerNorm, then Linear (X-ARES `models/simple.py`)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jaxtyping import Array, Float, Int

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
      kernel: of the linear layer, a row for each class.
      bias: of the linear layer.
    """

    scale: Float[Array | np.ndarray, " d"]
    shift: Float[Array | np.ndarray, " d"]
    kernel: Float[Array | np.ndarray, "c d"]
    bias: Float[Array | np.ndarray, " c"]


def init_head(rng: np.random.Generator, width: int, classes: int, rows: int) -> Head:
    """A new head, uniform in +-1 / sqrt(width) as in PyTorch.

    Args:
      rng: draws it.
      width: of the vectors.
      classes: that it tells apart.
      rows: of its kernel; those past the classes have probability 0 and stay as they are.
    """
    limit = width**-0.5
    padding = (0, rows - classes)
    kernel = rng.uniform(-limit, limit, (width, classes)).astype(np.float32)
    bias = rng.uniform(-limit, limit, classes).astype(np.float32)
    return Head(
        np.ones(width, np.float32),
        np.zeros(width, np.float32),
        np.pad(kernel.T, (padding, (0, 0))),
        np.pad(bias, padding, constant_values=-1e30),
    )


def dense(width: int, inputs: int, name: str) -> nn.Dense:
    """A linear layer of a head that is none of those here, drawn as `init_head` does."""
    limit = inputs**-0.5

    def uniform(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return nn.Dense(width, kernel_init=uniform, bias_init=uniform, name=name)


def normalise(vectors: Float[np.ndarray, "b d"]) -> Float[np.ndarray, "b d"]:
    """A LayerNorm without its scale and shift, which is the same for all heads."""
    centred = vectors - vectors.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + EPSILON)


def head_logits(head: Head, normed: Float[Array, "b d"]) -> Float[Array, "b c"]:
    """Logits of each vector.

    Scale and shift go into the linear layer, so that their gradients are sums over its kernel and
    a step has two matrix products instead of three.

    Args:
      head: parameters.
      normed: vectors by `normalise`.
    """
    return normed @ (head.scale * head.kernel).T + (head.kernel @ head.shift + head.bias)


def loss_gradient(
    logits: Float[Array, "b c"],
    targets: Int[Array, "b ..."],
    weights: Float[Array, " b"],
    positive_weight: Float[Array, ""],
) -> Float[Array, "b c"]:
    """Gradient of the weighted sum of losses by the logits; the loss itself is not needed.

    Args:
      logits: of a batch.
      targets: classes [b], of cross-entropy; or 0 and 1 [b c], of binary cross-entropies that are
        summed over the classes.
      weights: of each row.
      positive_weight: of positive terms of the binary loss.
    """
    if targets.ndim == 1:
        errors = jax.nn.softmax(logits) - jax.nn.one_hot(targets, logits.shape[1])
    else:
        probabilities, truth = jax.nn.sigmoid(logits), targets.astype(logits.dtype)
        errors = (1 - truth) * probabilities - positive_weight * truth * (1 - probabilities)
    return weights[:, None] * errors


def update(
    head: Head,
    state: optax.OptState,
    normed: Float[Array, "b d"],
    targets: Int[Array, "b ..."],
    weights: Float[Array, " b"],
    rate: Float[Array, ""],
    positive_weight: Float[Array, ""],
) -> tuple[Head, optax.OptState]:
    """A step of Adam.

    Args:
      head: parameters.
      state: of `ADAM`.
      normed: see `head_logits`.
      targets: see `loss_gradient`, as the others.
      weights: see there.
      rate: learning rate.
      positive_weight: see there.
    """
    logits, pull_back = jax.vjp(lambda head: head_logits(head, normed), head)
    (gradient,) = pull_back(loss_gradient(logits, targets, weights, positive_weight))
    updates, moved = ADAM.update(gradient, state)
    return jax.tree.map(lambda value, change: value - rate * change, head, updates), moved


def learning_rate(epoch: int, epochs: int) -> float:
    """Of an epoch from 0: ignite's CosineAnnealingScheduler, which is moved once an epoch."""
    cosine = (1 + np.cos(np.pi * epoch / epochs)) / 2
    return float(LEARNING_RATE * (LAST_RATE + (1 - LAST_RATE) * cosine))
