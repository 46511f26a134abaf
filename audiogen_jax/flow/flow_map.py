"""Networks that were distilled: a guided step is one call, and flow maps take few of them.

A guided network is told the guidance scale and predicts the guided velocity, for any solver (Meng
et al. 2022, https://arxiv.org/abs/2210.03142, section 3.1). A flow map is also told where a step
ends and predicts u(x_t, t, r), the guided velocity averaged along the flow from noise level t to a
lower r, so that x_r = x_t - (t - r) u is exact however far r is (Boffi et al. 2024,
https://arxiv.org/abs/2406.07507; Geng et al. 2025, https://arxiv.org/abs/2505.13447).
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

Distilled: TypeAlias = Literal["", "guided", "flow_map"]
"""What a network was distilled into, if it was."""
FEW_STEP_SAMPLING: Mapping[Distilled, tuple[str, str]] = {
    "guided": ("unipc", "logistic"),
    "flow_map": ("euler", "sway"),
}
"""Solver and schedule by which such networks take few steps."""


class Jump(NamedTuple):
    """What a distilled network is told of a step beside the noise level at which it begins.

    Attributes:
      guidance: scale of classifier-free guidance.
      until: noise level at which it ends; None where the network is no flow map.
    """

    guidance: Float[Array, " n"]
    until: Float[Array, " n"] | None = None


def draw_jumps(
    key: PRNGKeyArray, shape: tuple[int, ...], steps: int, strides: tuple[int, ...]
) -> tuple[Int[Array, "*b"], Int[Array, "*b"]]:
    """First and last level of jumps along a trajectory of so many steps.

    Half of them are steps of samplers of `steps / stride` steps, each stride as likely; a quarter
    one step of the trajectory; a quarter any two levels.

    Args:
      key: random key.
      shape: how many.
      steps: of the trajectory.
      strides: each divides `steps`.
    """
    kind_key, stride_key, start_key, any_key = jax.random.split(key, 4)
    kind = jax.random.uniform(kind_key, shape)
    stride = jax.random.choice(stride_key, jnp.asarray(strides), shape)
    stride = jnp.where(kind < 0.5, stride, 1)
    count = steps // stride
    start = jnp.floor(jax.random.uniform(start_key, shape) * count).astype(jnp.int32) * stride
    end = start + stride
    first_key, last_key = jax.random.split(any_key)
    free_start = jax.random.randint(first_key, shape, 0, steps)
    ahead = jax.random.uniform(last_key, shape) * (steps - free_start)
    free_end = free_start + 1 + jnp.floor(ahead).astype(jnp.int32)
    free = kind >= 0.75
    return jnp.where(free, free_start, start), jnp.where(free, jnp.minimum(free_end, steps), end)


def strides_of(steps: int, few: tuple[int, ...]) -> tuple[int, ...]:
    """Levels that a sampler of few steps skips on the levels of one of many.

    Raises:
      ValueError: it does not meet those levels.
    """
    if bad := [count for count in few if count < 1 or steps % count]:
        raise ValueError(f"few={bad}: expected divisors of trajectory_steps={steps}")
    return tuple(int(stride) for stride in steps // np.asarray(few))
