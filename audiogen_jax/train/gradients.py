"""Gradients of a batch, in parts if the whole does not fit."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree, Shaped

from audiogen_jax.types import Params

Metrics: TypeAlias = dict[str, Float[Array, ""]]
Rows = TypeVar("Rows")
"""A pytree of arrays whose first axis is the batch."""
LossFn: TypeAlias = Callable[[Params, Rows, PRNGKeyArray], tuple[Float[Array, ""], Metrics]]


def value_and_gradients(
    loss: LossFn[Rows],
    params: Params,
    batch: Rows,
    key: PRNGKeyArray,
    accumulate: int = 1,
) -> tuple[Metrics, Params]:
    """Metrics and gradients of a loss that is a mean over the rows of a batch.

    Args:
      loss: (params, batch, key) -> (loss, metrics).
      params: what to differentiate by.
      batch: arrays whose first axis is the batch.
      key: of everything random in the loss.
      accumulate: the batch goes through in so many parts, one after another, in as much less
        memory.

    Returns:
      Metrics, and gradients of the type of the parameters: means over the parts, added up in
      float32.

    Raises:
      ValueError: the batch does not split into so many parts.
    """
    differentiate = jax.grad(loss, has_aux=True)
    if accumulate == 1:
        gradients, metrics = differentiate(params, batch, key)
        return metrics, gradients
    clips = len(jax.tree.leaves(batch)[0])
    if clips % accumulate:
        raise ValueError(f"accumulate={accumulate} does not divide a batch of {clips} clips")

    def measure(rows: Rows, key: PRNGKeyArray) -> tuple[Metrics, Params]:
        gradients, metrics = differentiate(params, rows, key)
        return metrics, jax.tree.map(lambda g: g.astype(jnp.float32), gradients)

    def add(total: PyTree, rows_and_key: tuple[Rows, PRNGKeyArray]) -> tuple[PyTree, None]:
        measured = measure(*rows_and_key)
        return jax.tree.map(lambda t, x: t + x / accumulate, total, measured), None

    parts = jax.tree.map(lambda x: split_rows(x, accumulate), batch)
    microbatches = parts, jax.random.split(key, accumulate)
    shapes = jax.eval_shape(measure, *jax.tree.map(lambda x: x[0], microbatches))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    (metrics, gradients), _ = jax.lax.scan(add, zeros, microbatches)
    return metrics, jax.tree.map(lambda g, p: g.astype(p.dtype), gradients, params)


def split_rows(x: Shaped[Array, "b ..."], parts: int) -> Shaped[Array, "parts _ ..."]:
    """The rows of a batch as a batch of parts; each device keeps the rows that it has."""
    # Neighbouring rows go to different parts.
    return x.reshape(len(x) // parts, parts, *x.shape[1:]).swapaxes(0, 1)
