"""What the training loop asks of a stage."""

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Generic, Self, TypeAlias, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from audiogen_jax.sharding.placement import AxisRules
from audiogen_jax.train.batches import AudioBatch, Batch
from audiogen_jax.train.gradients import Metrics
from audiogen_jax.train.state import TrainState
from audiogen_jax.train.train_config import TrainConfig
from audiogen_jax.types import Latents, Params

BatchT = TypeVar("BatchT", bound=Batch)
StepFn: TypeAlias = Callable[[TrainState, BatchT, Params], tuple[TrainState, Metrics]]
OpenAudio: TypeAlias = Callable[[], Iterable[AudioBatch]]
"""Opens the training data from the start, to measure statistics on: the same on every process."""


class Objective(abc.ABC, Generic[BatchT]):
    """One stage of training. Subclasses are frozen dataclasses; what they hold of arrays is loaded.

    Attributes:
      config: of the training.
      axes: names of the axes of the parameters, trained and frozen.
      frozen: parameters that steps read, never change and never put in a checkpoint.
      facts: what a checkpoint of this training shares with another that it may go on from.
    """

    config: TrainConfig
    axes: AxisRules

    @property
    def frozen(self) -> Params:
        return {}

    @property
    def facts(self) -> Mapping[str, str]:
        return {}

    def without_remat(self) -> Self:
        """The same without rematerialisation, to count the FLOPs of the model by."""
        if self.config.remat is None:
            return self
        config = dataclasses.replace(self.config, remat=None)
        return dataclasses.replace(self, config=config)  # pyright: ignore[reportArgumentType]

    @abc.abstractmethod
    def init_state(self, key: jax.Array) -> TrainState:
        """A new state; traceable, so that its shapes are known without running it."""

    def prepare(self, state: TrainState) -> TrainState:
        """Puts measured or loaded parameters into a new state, before the first step.

        It reads no leaf: those that it leaves may be shapes, see `start`.
        """
        return state

    @abc.abstractmethod
    def frame_lengths(self, batch: BatchT) -> Int[Array | np.ndarray, " b"]:
        """Valid latent frames of each clip."""

    @abc.abstractmethod
    def step(self, state: TrainState, batch: BatchT, frozen: Params) -> tuple[TrainState, Metrics]:
        """One update of the parameters; not jitted."""

    def step_at(self, step: int) -> StepFn[BatchT]:
        """The step that comes after so many: equal ones are compiled once."""
        return self.step

    @abc.abstractmethod
    def evaluate(
        self, state: TrainState, batch: BatchT, frozen: Params, index: Int[Array, ""]
    ) -> Metrics:
        """Metrics of the validation batch of a number; not jitted."""

    @abc.abstractmethod
    def exported(self, state: TrainState) -> Params:
        """The parameters that `export` writes."""

    @abc.abstractmethod
    def export(self, params: Params, folder: Path) -> None:
        """Writes the stage's artefact in Hugging Face layout.

        Args:
          params: of `exported`, whole and on the host.
          folder: made if it does not exist.
        """


class SamplingObjective(Objective[BatchT]):
    """A stage whose model makes clips to listen to."""

    @abc.abstractmethod
    def sample(self, state: TrainState, batch: BatchT, frozen: Params) -> Latents:
        """Latents of the prompts of a batch; not jitted."""

    @abc.abstractmethod
    def decode(self, latents: Float[np.ndarray, "b t c"]) -> tuple[Float[np.ndarray, "b n a"], int]:
        """Audio and its sample rate of latents on the host."""
