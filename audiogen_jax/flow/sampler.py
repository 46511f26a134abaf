"""Integration of the flow from noise to data under `lax.scan`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from audiogen_jax.flow.solvers import Plan
from audiogen_jax.types import FrameMask, Latents, VelocityFn


def sample(
    velocity_fn: VelocityFn,
    noise: Latents,
    plan: Plan,
    mask: FrameMask | None = None,
    *,
    prepare: Callable[[Float[Array, " n"]], Any] | None = None,
    constrain: Callable[[Latents, Float[Array, ""]], Latents] | None = None,
) -> Latents:
    """Carries noise along the flow to data; pure, compiled as one step in a loop.

    Args:
      velocity_fn: the model, with everything that does not depend on sigma computed already.
      noise: the state at plan.sigmas[0]: standard normal noise if that is 1.
      plan: solver and noise levels: `SOLVERS[name](SCHEDULES[name](steps))`.
      mask: True at valid frames; the others are set to 0 in the result.
      prepare: makes of all noise levels, at once and before the loop, what `velocity_fn` takes in
        the place of sigma, with the levels as leading axis; sigma itself if None.
      constrain: (x, sigma) -> x, applied to the state after every step.

    Returns:
      Float32 latents at the last level.
    """
    return _integrate(velocity_fn, noise, plan, mask, prepare, constrain, keep=False)[0]


def trajectory(
    velocity_fn: VelocityFn, noise: Latents, plan: Plan, mask: FrameMask | None = None, **options
) -> Float[Array, "k b t c"]:
    """`sample` with the state at every level of the plan, noise first."""
    options = {"prepare": None, "constrain": None, **options}
    final, states = _integrate(velocity_fn, noise, plan, mask, **options, keep=True)
    return jnp.concatenate([states, final[None]])


def _integrate(
    velocity_fn: VelocityFn,
    noise: Latents,
    plan: Plan,
    mask: FrameMask | None,
    prepare: Callable | None,
    constrain: Callable | None,
    keep: bool,
) -> tuple[Latents, Any]:
    """The final state and, if `keep`, the state before every step."""
    x = jnp.asarray(noise, jnp.float32)
    evaluations = jnp.asarray(plan.evaluations)
    steps, stages = evaluations.shape
    levels = evaluations.ravel() if prepare is None else prepare(evaluations.ravel())
    levels = jax.tree.map(lambda leaf: leaf.reshape(steps, stages, *leaf.shape[1:]), levels)

    def step(state: tuple[Latents, Any], xs: tuple) -> tuple[tuple, Latents | None]:
        x, memory = state
        levels, coefficients, following = xs

        def velocity(x: Latents, stage: int) -> Latents:
            level = jax.tree.map(lambda leaf: leaf[stage], levels)
            return velocity_fn(x, level).astype(x.dtype)

        out, memory = plan.advance(velocity, x, memory, coefficients)
        if constrain is not None:
            out = constrain(out, following)
        return (out, memory), (x if keep else None)

    per_step = (levels, jnp.asarray(plan.coefficients), jnp.asarray(plan.sigmas)[1:])
    (final, _), states = jax.lax.scan(step, (x, plan.memory(x)), per_step)
    if mask is not None:
        final = jnp.where(mask[:, :, None], final, 0)
    return final, states
