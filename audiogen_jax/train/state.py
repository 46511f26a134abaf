"""Everything that one step reads and writes, and what the loop needs to know of an objective."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import flax.struct
import jax
import optax
from jaxtyping import Array, Float, Int

from audiogen_jax.sharding.placement import AxisRules
from audiogen_jax.train.update import Guard
from audiogen_jax.types import Params

Batch: TypeAlias = dict[str, jax.Array]
Metrics: TypeAlias = dict[str, Float[Array, ""]]


@flax.struct.dataclass
class DiscriminatorState:
    """Parameters and optimizer of the adversary of a GAN."""

    params: Params
    opt_state: optax.OptState


@flax.struct.dataclass
class TrainState:
    """The whole of a training that its next step depends on, beside the position in the data."""

    step: Int[Array, ""]
    params: Params
    opt_state: optax.OptState
    guard: Guard
    ema: Params | None = None
    discriminator: DiscriminatorState | None = None


StepFn: TypeAlias = Callable[[TrainState, Batch, Params], tuple[TrainState, Metrics]]


@dataclasses.dataclass(frozen=True)
class Objective:
    """The free functions of one training stage.

    Attributes:
      init_state: key -> new state; traceable, so that its shapes are known without running it.
      prepare: runs once on a new state, before the first step (statistics, loaded parameters).
      axes: names of the axes of the parameters, trained and frozen.
      frozen: parameters that steps read, never change and never put in a checkpoint.
      step_at: number of finished steps -> the step that comes next, not jitted; always the same
        object for the same step.
      evaluate: (state, batch, frozen, index of the batch) -> metrics; jitted.
      exported: the parameters of a state that `export` writes.
      export: writes the stage's artefact in Hugging Face layout to a folder; the parameters are
        whole and on the host.
      sample: (state, batch, frozen) -> latents of the batch's prompts, jitted; None if the stage
        makes none.
      decode: latents on the host -> (audio [b n], Hz).
      plain_step_at: `step_at` without rematerialisation, to count the FLOPs of the model by; None
        if the step does none.
      facts: what a checkpoint of this training shares with another that it may go on from.
    """

    init_state: Callable[[jax.Array], TrainState]
    prepare: Callable[[TrainState], TrainState]
    axes: AxisRules
    frozen: Params
    step_at: Callable[[int], StepFn]
    evaluate: Callable[[TrainState, Batch, Params, Any], Metrics]
    exported: Callable[[TrainState], Params]
    export: Callable[[Params, Path], None]
    sample: Callable[[TrainState, Batch, Params], Array] | None = None
    decode: Callable[[Any], Any] | None = None
    plain_step_at: Callable[[int], StepFn] | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
