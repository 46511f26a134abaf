"""The end of every step: it counts, or the state stays as it was."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from audiogen_jax.train.gradients import Metrics
from audiogen_jax.train.state import Guard, TrainState
from audiogen_jax.types import Params

WARM_UP = 100
"""Steps before a large gradient counts as a spike."""
MEMORY = 50
"""Steps that the usual gradient norm is an average over."""


def guarded_update(
    state: TrainState,
    updated: TrainState,
    loss: Float[Array, ""],
    gradients: Params,
    spike: float,
) -> tuple[TrainState, Metrics]:
    """The state after a step that may not count.

    Args:
      state: before the step.
      updated: after it, if it counts.
      loss: of the step.
      gradients: of the step.
      spike: see `accept`.

    Returns:
      `updated`, or `state` if the step does not count, one step on; and the metrics gradient_norm
      and skipped (steps in a row up to this one that did not count).
    """
    norm = optax.tree.norm(gradients)
    counts, guard = accept(state.guard, loss, norm, spike)
    chosen = jax.tree.map(lambda new, old: jnp.where(counts, new, old), updated, state)
    metrics = {"gradient_norm": norm, "skipped": guard.in_a_row.astype(jnp.float32)}
    return chosen.replace(step=state.step + 1, guard=guard), metrics


def accept(
    guard: Guard, loss: Float[Array, ""], norm: Float[Array, ""], spike: float
) -> tuple[Bool[Array, ""], Guard]:
    """Does a step count? Not with a loss or gradient that is not finite, nor with a spike.

    Args:
      guard: before the step.
      loss: of the step.
      norm: of its gradient.
      spike: a gradient norm of more than so many times the usual one is a spike; 0: none is.

    Returns:
      The answer, and the guard after the step.
    """
    counts = jnp.isfinite(loss) & jnp.isfinite(norm)
    if spike:
        counts &= (guard.accepted < WARM_UP) | (norm <= spike * guard.norm)
    rate = 1.0 / jnp.minimum(guard.accepted + 1, MEMORY)
    return counts, Guard(
        norm=jnp.where(counts, guard.norm + rate * (norm - guard.norm), guard.norm),
        accepted=guard.accepted + counts,
        in_a_row=jnp.where(counts, 0, guard.in_a_row + 1),
    )
