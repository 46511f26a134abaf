"""Means and variances over many batches, added up in float64."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from audiogen_jax.train.batches import AudioBatch

T = TypeVar("T")


def mean_and_variance(
    values: Callable[[T, AudioBatch], tuple[Float[Array, "b t c"], Bool[Array, "b t"]]],
    params: T,
    batches: Iterable[AudioBatch],
) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """Of each channel over the valid frames of some batches.

    Args:
      values: (params, batch) -> values and which frames are valid; traceable.
      params: a pytree of arrays.
      batches: what to measure on.

    Raises:
      ValueError: there is no batch.
    """

    @jax.jit
    def sums(params: T, batch: AudioBatch) -> tuple[Array, Array, Array]:
        x, valid = values(params, batch)
        x = jnp.where(valid[..., None], x, 0)
        return valid.sum(), x.sum((0, 1)), jnp.square(x).sum((0, 1))

    rows = [[np.asarray(x, np.float64) for x in sums(params, batch)] for batch in batches]
    if not rows:
        raise ValueError("statistics_batches=0: statistics need at least one batch")
    count, total, squares = (sum(each) for each in zip(*rows, strict=True))
    mean = np.asarray(total / count)
    return mean, squares / count - mean**2
