"""Integration of the flow from noise to data under `lax.scan`."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from audiogen_jax.flow.solvers import Solver, euler
from audiogen_jax.types import FrameMask, Latents, VelocityFn


def sample(
    velocity_fn: VelocityFn,
    noise: Latents,
    sigmas: Float[np.ndarray | Array, " k"],
    mask: FrameMask | None = None,
    solver: Solver = euler,
) -> Latents:
    """Carries noise along the flow to data; pure, compiled as one step in a loop.

    Args:
      velocity_fn: the model, with everything that does not depend on sigma computed already.
      noise: standard normal noise, the state at sigmas[0].
      sigmas: falling noise levels from `flow.schedules`; k levels are k - 1 steps.
      mask: True at valid frames; the others are set to 0 in the result.
      solver: one step of it.

    Returns:
      Float32 latents at sigmas[-1].
    """
    return _integrate(velocity_fn, noise, sigmas, mask, solver, keep=False)[0]


def trajectory(
    velocity_fn: VelocityFn,
    noise: Latents,
    sigmas: Float[np.ndarray | Array, " k"],
    mask: FrameMask | None = None,
    solver: Solver = euler,
) -> Float[Array, "k b t c"]:
    """`sample` with the state at every level of `sigmas`, noise first."""
    final, states = _integrate(velocity_fn, noise, sigmas, mask, solver, keep=True)
    return jnp.concatenate([states, final[None]])


def _integrate(
    velocity_fn: VelocityFn,
    noise: Latents,
    sigmas: Float[np.ndarray | Array, " k"],
    mask: FrameMask | None,
    solver: Solver,
    keep: bool,
) -> tuple[Latents, Float[Array, "steps b t c"] | None]:
    """The final state and, if `keep`, the state before every step."""

    def step(x: Latents, levels: tuple[Array, Array]) -> tuple[Latents, Latents | None]:
        following = solver(velocity_fn, x, *levels)
        return following, (x if keep else None)

    sigmas = jnp.asarray(sigmas, jnp.float32)
    x = jnp.asarray(noise, jnp.float32)
    final, states = jax.lax.scan(step, x, (sigmas[:-1], sigmas[1:]))
    if mask is not None:
        final = jnp.where(mask[:, :, None], final, 0)
    return final, states
