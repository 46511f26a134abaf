"""One step of an ODE solver along d x / d sigma = v(x, sigma), sigma falling from 1 to 0."""

from collections.abc import Callable
from typing import TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float

from audiogen_jax.types import Latents, VelocityFn

Solver: TypeAlias = Callable[[VelocityFn, Latents, Float[Array, ""], Float[Array, ""]], Latents]
"""(velocity_fn, x at sigma, sigma, next sigma) -> x at the next sigma."""


def euler(
    velocity_fn: VelocityFn, x: Latents, sigma: Float[Array, ""], following: Float[Array, ""]
) -> Latents:
    """First order, one evaluation."""
    return x + (following - sigma) * _velocity(velocity_fn, x, sigma)


def midpoint(
    velocity_fn: VelocityFn, x: Latents, sigma: Float[Array, ""], following: Float[Array, ""]
) -> Latents:
    """Second order, two evaluations: the velocity half way (explicit midpoint rule)."""
    middle = 0.5 * (sigma + following)
    half_way = euler(velocity_fn, x, sigma, middle)
    return x + (following - sigma) * _velocity(velocity_fn, half_way, middle)


def heun(
    velocity_fn: VelocityFn, x: Latents, sigma: Float[Array, ""], following: Float[Array, ""]
) -> Latents:
    """Second order, two evaluations: the mean of both ends (explicit trapezoidal rule)."""
    first = _velocity(velocity_fn, x, sigma)
    second = _velocity(velocity_fn, x + (following - sigma) * first, following)
    return x + (following - sigma) * 0.5 * (first + second)


SOLVERS: dict[str, Solver] = {"euler": euler, "midpoint": midpoint, "heun": heun}


def _velocity(velocity_fn: VelocityFn, x: Latents, sigma: Float[Array, ""]) -> Latents:
    return velocity_fn(x, jnp.full(x.shape[0], sigma)).astype(x.dtype)
