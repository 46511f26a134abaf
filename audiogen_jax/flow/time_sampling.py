"""Distributions of the training time, in (0, 1) with 1 = noise."""

import jax
from jaxtyping import Array, Float, PRNGKeyArray


def uniform(key: PRNGKeyArray, batch: int) -> Float[Array, " b"]:
    """Every time equally often (Liu et al. 2022)."""
    return jax.random.uniform(key, (batch,))


def logit_normal(
    key: PRNGKeyArray, batch: int, mean: float = 0.0, std: float = 1.0
) -> Float[Array, " b"]:
    """The sigmoid of a normal: more of the middle (Esser et al. 2024, section 3.1).

    Args:
      key: random key.
      batch: how many.
      mean: of the normal; positive moves towards noise.
      std: of the normal.
    """
    return jax.nn.sigmoid(mean + std * jax.random.normal(key, (batch,)))
