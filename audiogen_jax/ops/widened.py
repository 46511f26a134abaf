"""Products with weights that rest in half precision, on a CPU.

XLA's CPU backend widens such weights before it multiplies. To widen a whole one takes its float32
copy, fresh pages each time, and most of the time of an answer; here it goes through a buffer that
stays in the cache of a core. Programs need `infer.compile.compiler_options`, or XLA widens the
whole weight before the loop. Other backends widen nothing.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float

_BUFFER = 1 << 16
"""Numbers that are widened at a time."""
_ROWS = 256
"""Rows of weights at a time, where the sums of many vectors are read and written for each time."""


def dot(
    x: Float[Array, "*b i"], kernel: Float[Array, "i o"], dtype: DTypeLike
) -> Float[Array, "*b o"]:
    """`x @ kernel` in `dtype`."""
    count, width = kernel.shape
    vectors = x.size // count
    rows = _divisor(count, max(_BUFFER // width, min(vectors, _ROWS)))
    x = x.astype(dtype)
    if not _widens(kernel, dtype) or rows == count:
        return x @ kernel.astype(dtype)

    def add(step: Array, y: Float[Array, "*b o"]) -> Float[Array, "*b o"]:
        piece = jax.lax.dynamic_slice_in_dim(kernel, step * rows, rows)
        return y + jax.lax.dynamic_slice_in_dim(x, step * rows, rows, -1) @ piece.astype(dtype)

    return jax.lax.fori_loop(0, count // rows, add, jnp.zeros((*x.shape[:-1], width), dtype))


def dot_transposed(
    x: Float[Array, "*b i"], table: Float[Array, "o i"], dtype: DTypeLike
) -> Float[Array, "*b o"]:
    """`x @ table.T`, computed in `dtype`, with float32 sums."""

    def multiply(rows: Float[Array, "n i"]) -> Float[Array, "*b n"]:
        return jnp.einsum(
            "...i,oi->...o", x, rows.astype(dtype), preferred_element_type=jnp.float32
        )

    count, width = table.shape
    rows = _divisor(count, _BUFFER // width)
    if not _widens(table, dtype) or rows == count:
        return multiply(table)
    pieces = jax.lax.map(multiply, table.reshape(-1, rows, width))
    return jnp.moveaxis(pieces, 0, -2).reshape(*x.shape[:-1], count)


def _widens(weight: Array, dtype: DTypeLike) -> bool:
    return jax.default_backend() == "cpu" and weight.dtype.itemsize < jnp.dtype(dtype).itemsize


def _divisor(count: int, most: int) -> int:
    """The largest divisor of `count` of at most `most`."""
    return next(each for each in range(min(count, max(most, 1)), 0, -1) if count % each == 0)
