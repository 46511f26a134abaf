"""Rows that know nothing of each other, a few at a time, so that memory is bounded."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped


def in_blocks(
    function: Callable[[Shaped[Array, "rows ..."]], Shaped[Array, "rows ..."]],
    x: Shaped[Array, "n ..."],
    block: int,
) -> Shaped[Array, "n ..."]:
    """`function(x)`, computed for `block` rows after another.

    Args:
      function: of rows; zeros may be among them.
      x: all rows.
      block: rows at a time, at least one.
    """
    count, block = len(x), max(1, block)
    if count <= block:
        return function(x)
    padded = jnp.pad(x, ((0, -count % block), *((0, 0),) * (x.ndim - 1)))
    y = jax.lax.map(function, padded.reshape(-1, block, *x.shape[1:]))
    return y.reshape(-1, *y.shape[2:])[:count]
