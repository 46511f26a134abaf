"""The velocity that a sampler follows: a generator's, cached, guided and in windows."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from audiogen_jax.flow.flow_map import Jump
from audiogen_jax.flow.guidance import Guidance, guide
from audiogen_jax.flow.windows import Windows, in_given_windows, in_windows
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
    windows: Windows | None = None,
) -> GuidedVelocity:
    """The one place where conditions, guidance and windows become a velocity.

    Args:
      generator: the model.
      params: from `generator.for_sampling`.
      conditions: of the k conditions of `guidance` one after the other, each for all clips; with
        `windows` so for each prompt of a clip, along a first axis more.
      guidance: how their velocities are combined.
      frame_mask: valid frames of the clips.
      unconditional: the first of the k conditions is no prompt at all, and not in `conditions`.
      window: latent frames that the model sees at a time; longer clips are sampled in overlapping
        windows; `generator.window` if None. Times of conditions of longer clips need `windows`.
      windows: of the clips; takes the place of `window`.
    """
    clips, count = len(frame_mask), len(guidance.weights)
    unconditional = unconditional and count > 1
    window, length = window or generator.window, frame_mask.shape[1]

    def in_prompts(conditions: Condition, windows: Windows) -> VelocityFn:
        def of_window(
            first: Int[Array, " rows"], prompt: Int[Array, " rows"], mask: FrameMask
        ) -> VelocityFn:
            rows = jax.tree.leaves(conditions)[0].shape[1]  # but for those without a prompt
            row = jnp.arange(rows)
            told = jax.tree.map(lambda leaf: leaf[prompt[-rows:], row], conditions)
            told = generator.on_frames(told, first[-rows:], mask.shape[1])
            # Not kept for all windows, whose number has no bound: a tenth of the work.
            cache = generator.cache(params, told, len(mask) - rows)

            def of_level(x: Latents, level: PyTree) -> Latents:
                return generator.sampling_velocity(params, cache, level[1], x, mask)

            return of_level

        return in_given_windows(of_window, windows)

    def velocity(cache: Cache, copies: int) -> VelocityFn:
        def in_frames(mask: FrameMask) -> VelocityFn:
            rows = jnp.tile(mask, (copies, 1))

            def of_level(x: Latents, level: PyTree) -> Latents:
                return generator.sampling_velocity(params, cache, level[1], x, rows)

            return of_level

        return in_windows(in_frames, frame_mask, window)

    start = 0 if unconditional else clips
    prompts_only = None
    if windows is not None:
        all_conditions = in_prompts(conditions, windows)
        if guidance.interval is not None:
            prompts = jax.tree.map(lambda leaf: leaf[:, start : start + clips], conditions)
            prompts_only = in_prompts(prompts, windows)
    else:
        if length <= window:
            conditions = generator.on_frames(conditions, 0, length)
        cache = generator.cache(params, conditions, clips if unconditional else 0)
        all_conditions = velocity(cache, count)
        if guidance.interval is not None:
            prompts = jax.tree.map(lambda leaf: leaf[start : start + clips], conditions)
            prompts_only = velocity(generator.cache(params, prompts), 1)
    guided = guide(all_conditions, guidance, prompts_only) if count > 1 else all_conditions

    def levels(sigmas: Float[Array, " n"]) -> PyTree:
        jump = None
        if guidance.scale is not None:
            until = None
            if generator.distilled == "flow_map":
                # Of Euler's method: a step ends where the next begins, the last at the data.
                until = jnp.append(sigmas[1:], 0.0)
            jump = Jump(jnp.full_like(sigmas, guidance.scale), until)
        return sigmas, generator.levels(params, sigmas, jump)

    return GuidedVelocity(guided, levels)
