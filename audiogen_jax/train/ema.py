"""Exponential moving average of parameters."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from audiogen_jax.types import Params


def update_ema(ema: Params, params: Params, step: Int[Array, ""], decay: float) -> Params:
    """One step of the average: ema + (1 - d) (params - ema).

    Args:
      ema: average so far.
      params: parameters after the step.
      step: number of finished steps before this one; d = min(decay, (1 + step) / (10 + step)), so
        that the start of a training does not weigh on a slow average.
      decay: 0 keeps no memory.

    Returns:
      The new average.
    """
    rate = 1 - jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(lambda average, value: average + rate * (value - average), ema, params)
