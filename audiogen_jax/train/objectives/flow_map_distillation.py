"""Few steps: a flow map learns the guided trajectories of the generator that it starts from.

A teacher carries noise to data in many guided Euler steps; between two levels of the trajectory the
student's velocity is (x_t - x_r) / (t - r): a regression without tangents and without a second
network in the loop (IntMeanFlow, https://arxiv.org/abs/2510.07979). The guidance scale is drawn for
every clip and told to the student, which needs one call a step.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from audiogen_jax.flow.flow_map import Distilled, Jump, draw_jumps, strides_of
from audiogen_jax.flow.schedules import SCHEDULES
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.train.batches import Batch
from audiogen_jax.train.gradients import Metrics
from audiogen_jax.train.objectives.distillation import Distillation, DistillationConfig
from audiogen_jax.train.state import TrainState
from audiogen_jax.types import AtLeastOne, FrameMask, Latents, Params, Tokens

SCHEDULE = "sway"
"""Of the teacher, and of the few steps, whose levels are some of its own."""


@dataclasses.dataclass(frozen=True)
class FlowMapConfig(DistillationConfig):
    """A distillation of `init`.

    Attributes:
      trajectory_steps: of the teacher.
      few: steps that samplers will take, each a divisor of `trajectory_steps`.
      jumps: learned from each trajectory.
    """

    trajectory_steps: AtLeastOne = 16
    few: tuple[AtLeastOne, ...] = (2, 4, 8)
    jumps: AtLeastOne = 8

    def __post_init__(self):
        super().__post_init__()
        strides_of(self.trajectory_steps, self.few)


class Trajectories(NamedTuple):
    """What the losses of some clips are computed from.

    Attributes:
      lengths: valid latent frames.
      tokens: texts.
      noise: where the trajectories begin; standard normal.
      guidance: scale.
      start, end: levels of the trajectory that jumps lead from and to.
    """

    lengths: Int[Array, " b"]
    tokens: Tokens
    noise: Latents
    guidance: Float[Array, " b"]
    start: Int[Array, "b j"]
    end: Int[Array, "b j"]


@dataclasses.dataclass(frozen=True, eq=False)
class FlowMapDistillation(Distillation):
    """See the module."""

    config: FlowMapConfig  # pyright: ignore[reportIncompatibleVariableOverride]
    into: ClassVar[Distilled] = "flow_map"

    def _draw(self, batch: Batch, key: jax.Array) -> Trajectories:
        """Draws for all clips, so that parts of a batch get what it would."""
        assert batch.tokens is not None
        noise_key, scale_key, jump_key = jax.random.split(key, 3)
        lengths = jnp.asarray(self.frame_lengths(batch))
        count, config = len(lengths), self.config
        strides = strides_of(config.trajectory_steps, config.few)
        start, end = draw_jumps(jump_key, (count, config.jumps), config.trajectory_steps, strides)
        shape = count, self._padded_frames(batch), self.generator.latent_dim
        return Trajectories(
            lengths,
            batch.tokens,
            jax.random.normal(noise_key, shape),
            self.scales(scale_key, count),
            start,
            end,
        )

    def _trajectory(
        self, frozen: Params, clips: Trajectories, mask: FrameMask
    ) -> Float[Array, "k b t c"]:
        """The teacher's states at all its levels, without gradients."""
        teacher = self.teacher
        params = teacher.for_sampling(frozen)
        condition = teacher.on_frames(
            teacher.condition(params, clips.tokens), 0, clips.noise.shape[1]
        )
        count = len(clips.lengths)
        cache = teacher.cache(params, condition, count)
        sigmas = jnp.asarray(SCHEDULES[SCHEDULE](self.config.trajectory_steps))
        rows = jnp.tile(mask, (2, 1))
        scale = clips.guidance[:, None, None]

        def step(x: Latents, level: tuple) -> tuple[Latents, Latents]:
            cached, distance = level
            both = teacher.sampling_velocity(params, cache, cached, jnp.tile(x, (2, 1, 1)), rows)
            without, given = jnp.split(both.astype(jnp.float32), 2)
            x = x - distance * (without + scale * (given - without))
            return x, x

        levels = teacher.levels(params, sigmas[:-1]), sigmas[:-1] - sigmas[1:]
        _, states = jax.lax.scan(step, clips.noise, levels)
        return jax.lax.stop_gradient(jnp.concatenate([clips.noise[None], states]))

    def _losses(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        params: Params,
        frozen: Params,
        clips: Trajectories,
        dropout_key: jax.Array | None,
        frames: Array,
    ) -> Metrics:
        mask = length_mask(clips.lengths, clips.noise.shape[1])
        states = self._trajectory(frozen, clips, mask)
        sigmas = jnp.asarray(SCHEDULES[SCHEDULE](self.config.trajectory_steps))
        condition = self.generator.condition(params, clips.tokens)
        jumps = self.config.jumps
        row = jnp.repeat(jnp.arange(len(clips.lengths)), jumps)
        start, end = clips.start.ravel(), clips.end.ravel()
        x, goal = states[start, row], states[end, row]
        sigma, until = sigmas[start], sigmas[end]
        target = (x - goal) / (sigma - until)[:, None, None]
        predicted = self.generator.velocity(
            params,
            jax.tree.map(lambda leaf: leaf[row], condition),
            x,
            sigma,
            mask[row],
            Jump(clips.guidance[row], until),
        )
        square = jnp.square(predicted.astype(jnp.float32) - target)
        valid = mask[row][:, :, None]
        error = jnp.where(valid, square, 0).sum(axis=(1, 2))
        error = error / (jnp.maximum(valid.sum(axis=(1, 2)), 1) * x.shape[-1])
        share = clips.lengths[row] / (frames * jumps)
        # Jumps whose error is large would drown the others (Geng et al. 2025, section 4.3).
        weight = 1 / (jax.lax.stop_gradient(error) + 1e-3)
        seconds = clips.lengths / self.generator.latent_rate
        duration = self.generator.duration_loss(condition, seconds)
        return {
            "loss": jnp.sum(share * weight * error) + self.config.duration_weight * duration,
            "jump": jnp.sum(share * error),
            "duration": duration,
        }

    def step(self, state: TrainState, batch: Batch, frozen: Params) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(self.config.seed), state.step)
        clips = self._draw(batch, key)
        frames = jnp.sum(clips.lengths) / self.config.accumulate
        return self._update(state, frozen, clips, key, frames)

    def evaluate(
        self, state: TrainState, batch: Batch, frozen: Params, index: Int[Array, ""]
    ) -> Metrics:
        key = jax.random.fold_in(jax.random.key(self.config.eval.seed), index)
        clips = self._draw(batch, key)
        params = self.assemble(self.exported(state), frozen)
        return self._losses(params, frozen, clips, None, jnp.sum(clips.lengths))
