"""Every state that sampling passes through."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.solvers import Plan
from audiogen_jax.types import Latents, VelocityFn


def trajectory(
    velocity_fn: VelocityFn, noise: Latents, plan: Plan, **options
) -> Float[Array, "k b t c"]:
    """The states at all levels of a plan, noise first: what `sample` gives for its beginnings."""
    beginnings = [
        dataclasses.replace(
            plan,
            sigmas=plan.sigmas[: steps + 1],
            evaluations=plan.evaluations[:steps],
            coefficients=plan.coefficients[:steps],
        )
        for steps in range(1, len(plan.sigmas))
    ]
    states = [sample(velocity_fn, noise, beginning, **options) for beginning in beginnings]
    return jnp.stack([noise, *states])
