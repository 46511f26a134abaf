"""Rows that know nothing of each other, a few at a time, so that memory is bounded."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped


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


def in_turns(
    function: Callable[[Shaped[Array, "..."], Int[Array, ""]], Shaped[Array, "..."]],
    x: Shaped[Array, "n ..."],
) -> Shaped[Array, "n ..."]:
    """`x`, each row in place of it replaced by what a function makes of it and of its number.

    A CPU has small caches, through which large intermediates pass once for each operation, and XLA
    sets memory aside for the results of all `jax.lax.map` of a program at once. The gradient
    computes intermediates again.

    Args:
      function: (row, its number) -> a row of the same shape.
      x: all rows.
    """
    made = jax.checkpoint(function)

    def replace(i: Int[Array, ""], x: Shaped[Array, "n ..."]) -> Shaped[Array, "n ..."]:
        return jax.lax.dynamic_update_index_in_dim(x, made(x[i], i), i, 0)

    return jax.lax.fori_loop(0, len(x), replace, x)
