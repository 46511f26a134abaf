"""The velocity that a sampler follows: a generator's, cached, guided and in windows."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from audiogen_jax.flow.guidance import Guidance, guide
from audiogen_jax.flow.windows import in_windows
from audiogen_jax.models.protocols import Cache, Condition, Generator
from audiogen_jax.types import FrameMask, Latents, Params, VelocityFn


class GuidedVelocity(NamedTuple):
    """What `flow.sampler.sample` takes.

    Attributes:
      velocity: (x, level) -> d x / d sigma.
      levels: noise levels -> what `velocity` takes of them, all at once.
    """

    velocity: VelocityFn
    levels: Callable[[Float[Array, " n"]], PyTree]


def guided_velocity(
    generator: Generator,
    params: Params,
    conditions: Condition,
    guidance: Guidance,
    frame_mask: FrameMask,
    *,
    unconditional: bool,
    window: int | None = None,
) -> GuidedVelocity:
    """The one place where conditions, guidance and windows become a velocity.

    Args:
      generator: the model.
      params: from `generator.for_sampling`.
      conditions: of the k conditions of `guidance` one after the other, each for all clips.
      guidance: how their velocities are combined.
      frame_mask: valid frames of the clips.
      unconditional: the first of the k conditions is no prompt at all, and not in `conditions`.
      window: latent frames that the model sees at a time; longer clips are sampled in overlapping
        windows; `generator.window` if None.
    """
    clips, count = len(frame_mask), len(guidance.weights)
    unconditional = unconditional and count > 1

    def velocity(cache: Cache, copies: int) -> VelocityFn:
        def in_frames(mask: FrameMask) -> VelocityFn:
            rows = jnp.tile(mask, (copies, 1))

            def of_level(x: Latents, level: PyTree) -> Latents:
                return generator.sampling_velocity(params, cache, level[1], x, rows)

            return of_level

        return in_windows(in_frames, frame_mask, window or generator.window)

    cache = generator.cache(params, conditions, clips if unconditional else 0)
    all_conditions, prompts_only = velocity(cache, count), None
    if guidance.interval is not None:
        start = 0 if unconditional else clips
        prompts = jax.tree.map(lambda leaf: leaf[start : start + clips], conditions)
        prompts_only = velocity(generator.cache(params, prompts), 1)
    guided = guide(all_conditions, guidance, prompts_only) if count > 1 else all_conditions
    return GuidedVelocity(guided, lambda sigmas: (sigmas, generator.levels(params, sigmas)))
