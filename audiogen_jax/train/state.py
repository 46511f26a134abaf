"""Everything that one step reads and writes, and what the loop needs to know of an objective."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import flax.struct
import jax
import optax
from jaxtyping import Array, Float, Int

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
    ema: Params | None = None
    discriminator: DiscriminatorState | None = None


StepFn: TypeAlias = Callable[[TrainState, Batch, Params], tuple[TrainState, Metrics]]


@dataclasses.dataclass(frozen=True)
class Objective:
    """The free functions of one training stage.

    Attributes:
      init_state: key -> new state; traceable, so that its shapes are known without running it.
      prepare: runs once on a new state, before the first step (statistics, loaded parameters).
      frozen: parameters that steps read, never change and never put in a checkpoint.
      step_at: number of finished steps -> the jitted step that comes next.
      evaluate: (state, batch, frozen, index of the batch) -> metrics; jitted.
      export: writes the stage's artefact in Hugging Face layout to a folder.
    """

    init_state: Callable[[jax.Array], TrainState]
    prepare: Callable[[TrainState], TrainState]
    frozen: Params
    step_at: Callable[[int], StepFn]
    evaluate: Callable[[TrainState, Batch, Params, Any], Metrics]
    export: Callable[[TrainState, Path], None]
