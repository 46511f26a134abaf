"""Fixed-step solvers of d x / d sigma = v(x, sigma), sigma falling from 1 (noise) to 0 (data).

A solver turns noise levels into a `Plan`: where each step evaluates the velocity, and numbers that
combine the results, both known before sampling starts. Levels are spaced at will, so every formula
is the one for unequal steps.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from audiogen_jax.types import Latents

NOISE_END = 0.999
"""Stands for the level 1 where a formula needs its log-SNR, which is infinite."""

Levels: TypeAlias = Float[np.ndarray, " k"]
Memory: TypeAlias = Float[Array, "r b t c"]
Advance: TypeAlias = Callable[
    [Callable[[Latents, int], Latents], Latents, Memory, Float[Array, " m"]],
    tuple[Latents, Memory],
]
"""(velocity at (x, evaluation of the step), x, memory, coefficients) -> next x, next memory."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Plan:
    """A solver at given noise levels; a pytree, so that other levels need no other program.

    Attributes:
      sigmas: the k levels, falling; k - 1 steps.
      evaluations: the noise level of every velocity that a step needs.
      coefficients: numbers for `advance`, per step.
      advance: one step.
      remembers: how many arrays like x a step hands to the next.
    """

    sigmas: Float[np.ndarray | Array, " k"]
    evaluations: Float[np.ndarray | Array, "steps s"]
    coefficients: Float[np.ndarray | Array, "steps m"]
    advance: Advance = dataclasses.field(metadata={"static": True})
    remembers: int = dataclasses.field(default=0, metadata={"static": True})

    @property
    def calls(self) -> int:
        """Evaluations of the velocity in all."""
        return self.evaluations.size

    def memory(self, x: Latents) -> Memory:
        """What the first step remembers: nothing, as zeros."""
        return jnp.zeros((self.remembers, *x.shape), x.dtype)


def euler(sigmas: Levels) -> Plan:
    """First order, one evaluation per step."""
    return _plan(sigmas, [sigmas[:-1]], [np.diff(sigmas)], _euler)


def midpoint(sigmas: Levels) -> Plan:
    """Second order, two evaluations: the velocity half way (explicit midpoint rule)."""
    middle = 0.5 * (sigmas[:-1] + sigmas[1:])
    steps = [middle - sigmas[:-1], np.diff(sigmas)]
    return _plan(sigmas, [sigmas[:-1], middle], steps, _midpoint)


def heun(sigmas: Levels) -> Plan:
    """Second order, two evaluations: the mean of both ends (explicit trapezoidal rule)."""
    return _plan(sigmas, [sigmas[:-1], sigmas[1:]], [np.diff(sigmas)], _heun)


def ab2(sigmas: Levels) -> Plan:
    """Second order, one evaluation: Adams-Bashforth from this velocity and the last one.

    Hairer, Nørsett and Wanner 1993, III.5, for unequal steps; the first step is Euler's.
    """
    step = np.diff(sigmas)
    extrapolation = np.append(0.0, 0.5 * step[1:] ** 2 / step[:-1])
    return _plan(sigmas, [sigmas[:-1]], [step + extrapolation, -extrapolation], _ab2, 1)


def dpmpp2m(sigmas: Levels) -> Plan:
    """Second order, one evaluation: DPM-Solver++(2M), Lu et al. 2022, algorithm 2.

    On the flow's path x = (1 - sigma) data + sigma noise, in lambda = log((1 - sigma) / sigma) and
    the data prediction x - sigma v. Where lambda is infinite, at both ends, a step is first order.
    """
    sigma, following = sigmas[:-1], sigmas[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        h = np.diff(np.log1p(-sigmas) - np.log(sigmas))
        # 1 / (2 r) of the paper, r = the last step over this one.
        ratio = np.append(0.0, 0.5 * h[1:] / h[:-1])
    ratio = np.where(np.isfinite(ratio), ratio, 0.0)
    towards_data = 1.0 - following / sigma
    coefficients = [
        sigma, following / sigma, towards_data * (1.0 + ratio), -towards_data * ratio
    ]  # fmt: skip
    return _plan(sigmas, [sigma], coefficients, _dpmpp2m, 1)


def unipc(sigmas: Levels) -> Plan:
    """Second order, one evaluation: UniPC, Zhao et al. 2023 (https://arxiv.org/abs/2302.04867).

    In the terms of `dpmpp2m`, with the data prediction linear in lambda over each step and its
    integral exact. Every evaluation also corrects the step that led to it: what was extrapolated
    from the two predictions before is replaced by what they and the new one say.
    """
    sigma, following = sigmas[:-1], sigmas[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.minimum(sigmas, NOISE_END)
        h = np.diff(np.log1p(-noise) - np.log(noise))
        # Weight of the change of the data prediction over a step: 0 for h = 0, 1 for all of it.
        change = (1.0 - following) * np.where(h > 0, 1.0 + np.expm1(-h) / h, 0.0)
        extrapolated = np.append(0.0, change[1:] * h[1:] / h[:-1])
    # The last step ends on the prediction itself, and those above NOISE_END are first order.
    extrapolated[~np.isfinite(extrapolated)] = 0.0
    corrected = np.append(0.0, change[:-1])
    coefficients = [sigma, corrected, following / sigma, 1.0 - following / sigma, extrapolated]
    return _plan(sigmas, [sigma], coefficients, _unipc, 2)


SOLVERS: dict[str, Callable[[Levels], Plan]] = {
    "euler": euler, "midpoint": midpoint, "heun": heun, "ab2": ab2, "dpmpp2m": dpmpp2m,
    "unipc": unipc,
}  # fmt: skip


def _plan(
    sigmas: Levels, evaluations: list, coefficients: list, advance: Advance, remembers: int = 0
) -> Plan:
    return Plan(
        sigmas=sigmas.astype(np.float32),
        evaluations=np.stack(evaluations, axis=1).astype(np.float32),
        coefficients=np.stack(coefficients, axis=1).astype(np.float32),
        advance=advance,
        remembers=remembers,
    )


def _euler(velocity, x, memory, c):
    return x + c[0] * velocity(x, 0), memory


def _midpoint(velocity, x, memory, c):
    half_way = x + c[0] * velocity(x, 0)
    return x + c[1] * velocity(half_way, 1), memory


def _heun(velocity, x, memory, c):
    first = velocity(x, 0)
    second = velocity(x + c[0] * first, 1)
    return x + c[0] * 0.5 * (first + second), memory


def _ab2(velocity, x, memory, c):
    v = velocity(x, 0)
    return x + c[0] * v + c[1] * memory[0], v[None]


def _dpmpp2m(velocity, x, memory, c):
    data = x - c[0] * velocity(x, 0)
    return c[1] * x + c[2] * data + c[3] * memory[0], data[None]


def _unipc(velocity, x, memory, c):
    last, extrapolated = memory
    v = velocity(x, 0)
    x = x + c[1] * (x - c[0] * v - last) - extrapolated
    data = x - c[0] * v
    extrapolated = c[4] * (data - last)
    return c[2] * x + c[3] * data + extrapolated, jnp.stack([data, extrapolated])
