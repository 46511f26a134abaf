"""One update of parameters: gradients of a batch in parts, and a guard against bad steps."""

from collections.abc import Callable
from typing import Any, TypeAlias

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from audiogen_jax.types import Params

LossFn: TypeAlias = Callable[
    [Params, dict[str, Array], PRNGKeyArray], tuple[Float[Array, ""], dict[str, Float[Array, ""]]]
]

WARM_UP = 100
"""Steps before a large gradient counts as a spike."""
MEMORY = 50
"""Steps that the usual gradient norm is an average over."""


def value_and_gradients(
    loss: LossFn,
    params: Params,
    batch: dict[str, Array],
    key: PRNGKeyArray,
    parts: int = 1,
    dtype: Any = "float32",
) -> tuple[dict[str, Float[Array, ""]], Params]:
    """Metrics and gradients of a loss that is a mean over the rows of a batch.

    Args:
      loss: (params, batch, key) -> (loss, metrics).
      params: what to differentiate by.
      batch: arrays whose first axis is the batch.
      key: of everything random in the loss.
      parts: the batch goes through in so many parts, one after another, in as much less memory.
      dtype: parameters are cast to it first, so that weights are gathered and gradients are reduced
        over devices in it. Parts are added up in float32.

    Returns:
      Metrics, and gradients of the type of the parameters: means over the parts.

    Raises:
      ValueError: the batch does not split into so many parts.
    """
    working = jax.tree.map(lambda x: x.astype(dtype), params)
    differentiate = jax.grad(loss, has_aux=True)
    if parts == 1:
        gradients, metrics = differentiate(working, batch, key)
        return metrics, jax.tree.map(lambda g, p: g.astype(p.dtype), gradients, params)
    rows = len(next(iter(batch.values())))
    if rows % parts:
        raise ValueError(f"accumulate={parts} does not divide a batch of {rows} clips")

    def split(x: Array) -> Array:
        # Neighbouring rows go to different parts: each device keeps the rows that it has.
        return x.reshape(rows // parts, parts, *x.shape[1:]).swapaxes(0, 1)

    def measure(part: tuple[dict[str, Array], PRNGKeyArray]) -> tuple[dict, Params]:
        gradients, metrics = differentiate(working, *part)
        return metrics, jax.tree.map(lambda g: g.astype(jnp.float32), gradients)

    def add(total: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(lambda t, x: t + x / parts, total, measure(part)), None

    pieces = {name: split(x) for name, x in batch.items()}, jax.random.split(key, parts)
    first = jax.tree.map(lambda x: x[0], pieces)
    shapes = jax.eval_shape(measure, first)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    (metrics, gradients), _ = jax.lax.scan(add, zeros, pieces)
    return metrics, jax.tree.map(lambda g, p: g.astype(p.dtype), gradients, params)


@flax.struct.dataclass
class Guard:
    """What decides whether a step counts.

    Attributes:
      norm: average gradient norm of the steps that counted.
      accepted: how many did.
      in_a_row: how many did not since the last that did.
    """

    norm: Float[Array, ""]
    accepted: Int[Array, ""]
    in_a_row: Int[Array, ""]


def new_guard() -> Guard:
    """The guard before the first step."""
    return Guard(jnp.zeros(()), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def accept(
    guard: Guard, loss: Float[Array, ""], gradients: Params, spike: float
) -> tuple[Bool[Array, ""], Guard, dict[str, Float[Array, ""]]]:
    """Does a step count? Not with a loss or gradient that is not finite, nor with a spike.

    Args:
      guard: before the step.
      loss: of the step.
      gradients: of the step.
      spike: a gradient norm of more than so many times the usual one is a spike; 0: none is.

    Returns:
      The answer, the guard after the step, and metrics: gradient_norm and skipped (steps in a row
      up to this one that did not count).
    """
    norm = optax.tree.norm(gradients)
    ok = jnp.isfinite(loss) & jnp.isfinite(norm)
    if spike:
        ok &= (guard.accepted < WARM_UP) | (norm <= spike * guard.norm)
    rate = 1.0 / jnp.minimum(guard.accepted + 1, MEMORY)
    after = Guard(
        norm=jnp.where(ok, guard.norm + rate * (norm - guard.norm), guard.norm),
        accepted=guard.accepted + ok,
        in_a_row=jnp.where(ok, 0, guard.in_a_row + 1),
    )
    return ok, after, {"gradient_norm": norm, "skipped": after.in_a_row.astype(jnp.float32)}


def choose(ok: Bool[Array, ""], new: Any, old: Any) -> Any:
    """The new tree if the step counts, else the old one."""
    return jax.tree.map(lambda x, y: jnp.where(ok, x, y), new, old)
