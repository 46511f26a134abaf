"""One call for two: a generator learns its own guided velocity, and is told the scale.

At real clips x under noise e, x_t = (1 - t) x + t e, the student learns what classifier-free
guidance makes of two calls of the teacher, and guidance of single views of more (Meng et al. 2022, https://arxiv.org/abs/2210.03142,
section 3.1). Any solver samples it then, at half the price.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from audiogen_jax.flow.flow_map import Distilled, Jump
from audiogen_jax.flow.loss import masked_mean
from audiogen_jax.flow.path import interpolate
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.train.batches import Batch
from audiogen_jax.train.gradients import Metrics
from audiogen_jax.train.objectives.distillation import Distillation, DistillationConfig
from audiogen_jax.train.objectives.flow_matching import Examples
from audiogen_jax.train.state import TrainState
from audiogen_jax.types import FrameMask, Latents, NotNegative, Params, Tokens


@dataclasses.dataclass(frozen=True)
class GuidanceDistillationConfig(DistillationConfig):
    """A distillation of the guided velocity of `init`.

    Attributes:
      view_guidance: view -> factor f by which its scale grows faster than that of the whole, where
        a text has other parts: 1 + f (s - 1), see `Guidance.classifier_free`.
    """

    view_guidance: Mapping[str, NotNegative] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        if self.view_guidance and self.data.has_prompts:
            raise ValueError("view_guidance needs batches with texts, not with encoded prompts")
        data = dataclasses.replace(self.data, without_views=tuple(self.view_guidance))
        object.__setattr__(self, "data", data)


class GuidedExamples(NamedTuple):
    """What the losses of some clips are computed from.

    Attributes:
      examples: the clips and their noise.
      without: view -> their texts without it.
      guidance: scale of each.
    """

    examples: Examples
    without: Mapping[str, Tokens]
    guidance: Float[Array, " b"]


@dataclasses.dataclass(frozen=True, eq=False)
class GuidanceDistillation(Distillation):
    """See the module."""

    config: GuidanceDistillationConfig  # pyright: ignore[reportIncompatibleVariableOverride]
    into: ClassVar[Distilled] = "guided"

    def _draw(self, batch: Batch, key: jax.Array) -> GuidedExamples:
        sigma_key, noise_key, scale_key = jax.random.split(key, 3)
        examples = self._examples(batch, sigma_key, noise_key)
        scales = self.scales(scale_key, len(examples.lengths))
        return GuidedExamples(examples, batch.without or {}, scales)

    def _losses(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        params: Params,
        frozen: Params,
        clips: GuidedExamples,
        dropout_key: jax.Array | None,
        frames: Array,
    ) -> Metrics:
        examples, scale = clips.examples, clips.guidance
        latents, lengths = self._latents(examples, frozen)
        mask = length_mask(lengths, latents.shape[1])
        valid = mask[:, :, None]
        noise = jnp.where(valid, examples.noise, 0)
        x = interpolate(jnp.where(valid, latents, 0), noise, examples.sigma)
        target = self._guided(frozen, clips, x, mask)
        condition = self.generator.condition(params, examples.prompts)
        predicted = self.generator.velocity(params, condition, x, examples.sigma, mask, Jump(scale))
        square = jnp.square(predicted.astype(jnp.float32) - target)
        # Errors grow with the scale: high ones would drown the others.
        level = jnp.maximum(scale, 1)[:, None, None]
        guided = masked_mean(square / jnp.square(level), mask, frames)
        duration = self.generator.duration_loss(condition, examples.seconds)
        return {
            "loss": guided + self.config.duration_weight * duration,
            "guided": guided,
            "error": masked_mean(square, mask, frames),
            "duration": duration,
        }

    def _guided(
        self, frozen: Params, clips: GuidedExamples, x: Latents, mask: FrameMask
    ) -> Float[Array, "b t c"]:
        """The teacher's velocity under the scale of each clip, without gradients."""
        teacher, examples = self.teacher, clips.examples
        given = teacher.condition(frozen, examples.prompts)
        without = [teacher.condition(frozen, texts) for texts in clips.without.values()]
        conditions = [teacher.unconditional(given), given, *without]
        count = len(conditions)
        velocities = teacher.velocity(
            frozen,
            jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *conditions),
            jnp.tile(x, (count, 1, 1)),
            jnp.tile(examples.sigma, count),
            jnp.tile(mask, (count, 1)),
        )
        nothing, given, *without = jnp.split(velocities.astype(jnp.float32), count)
        scale = clips.guidance[:, None, None]
        guided = nothing + scale * (given - nothing)
        for view, velocity in zip(clips.without, without, strict=True):
            more = (self.config.view_guidance[view] - 1) * (scale - 1)
            guided += more * (given - velocity)
        return jax.lax.stop_gradient(guided)

    def step(self, state: TrainState, batch: Batch, frozen: Params) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(self.config.seed), state.step)
        frames = jnp.sum(self.frame_lengths(batch)) / self.config.accumulate
        return self._update(state, frozen, self._draw(batch, key), key, frames)

    def evaluate(self, state: TrainState, batch: Batch, frozen: Params, index: Array) -> Metrics:
        key = jax.random.fold_in(jax.random.key(self.config.eval.seed), index)
        params = self.assemble(self.exported(state), frozen)
        frames = jnp.sum(self.frame_lengths(batch))
        return self._losses(params, frozen, self._draw(batch, key), None, frames)
