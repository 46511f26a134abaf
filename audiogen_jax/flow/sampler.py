"""Integration of the flow from noise to data under `lax.scan`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from audiogen_jax.flow.solvers import Memory, Plan
from audiogen_jax.types import FrameMask, Latents, VelocityFn


def sample(
    velocity_fn: VelocityFn,
    noise: Latents,
    plan: Plan,
    mask: FrameMask | None = None,
    *,
    prepare: Callable[[Float[Array, " n"]], PyTree] | None = None,
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
    x = jnp.asarray(noise, jnp.float32)
    evaluations = jnp.asarray(plan.evaluations)
    steps, stages = evaluations.shape
    levels = evaluations.ravel() if prepare is None else prepare(evaluations.ravel())
    levels = jax.tree.map(lambda leaf: leaf.reshape(steps, stages, *leaf.shape[1:]), levels)

    def step(state: tuple[Latents, Memory], xs: tuple) -> tuple[tuple[Latents, Memory], None]:
        x, memory = state
        levels, coefficients, following = xs

        def velocity(x: Latents, stage: int) -> Latents:
            level = jax.tree.map(lambda leaf: leaf[stage], levels)
            return velocity_fn(x, level).astype(x.dtype)

        out, memory = plan.advance(velocity, x, memory, coefficients)
        if constrain is not None:
            out = constrain(out, following)
        return (out, memory), None

    per_step = (levels, jnp.asarray(plan.coefficients), jnp.asarray(plan.sigmas)[1:])
    (final, _), _ = jax.lax.scan(step, (x, plan.memory(x)), per_step)
    if mask is not None:
        final = jnp.where(mask[:, :, None], final, 0)
    return final
