"""What every stage of training can be told; each stage adds fields beside its objective."""

import dataclasses

import numpy as np

from audiogen_jax.input.audio_batches import DataConfig
from audiogen_jax.input.latent_batches import LatentDataConfig
from audiogen_jax.sharding.mesh import MeshConfig
from audiogen_jax.train.optimizer import OptimizerConfig


@dataclasses.dataclass(frozen=True)
class GuardConfig:
    """Which steps do not count.

    Attributes:
      spike: a gradient norm of more than so many times the usual one; 0: none is a spike.
      limit: how many steps in a row may fail to count before the training stops.
    """

    spike: float
    limit: int


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """Validation.

    Attributes:
      every: steps between two.
      batches: how many; 0: none.
      seed: of their order, noise and masks.
    """

    every: int
    batches: int
    seed: int


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A training, whatever its objective.

    Attributes:
      objective: name of the stage, a key of `stages.STAGES`.
      seed: of the parameters, the order of the data, and all that steps draw.
      steps: length of the training and of its schedules.
      max_seconds: stop with a checkpoint after this time; 0: no limit.
      data: what batches are made of.
      optimizer: AdamW and its schedule.
      mesh: sizes of the device mesh.
      sharding: how parameters are cut over it, a preset of `sharding`.
      gradient_dtype: of gathered weights and reduced gradients.
      remat: policy of `jax.checkpoint_policies` by which layers are rematerialised.
      accumulate: a batch goes through in so many parts, one after another.
      guard: which steps do not count.
      log_every: steps between two rows of metrics.
      checkpoint_every: steps between two checkpoints.
      export_every: steps between two exports.
      keep_checkpoints: how many are kept, the newest.
      keep_every: steps whose multiples are kept for good; 0: none.
      sample_every: steps between two samples in TensorBoard; 0: none.
      eval: validation.
    """

    objective: str
    seed: int
    steps: int
    max_seconds: float
    data: DataConfig | LatentDataConfig
    optimizer: OptimizerConfig
    mesh: MeshConfig
    sharding: str
    gradient_dtype: np.dtype
    remat: str | None
    accumulate: int
    guard: GuardConfig
    log_every: int
    checkpoint_every: int
    export_every: int
    keep_checkpoints: int
    keep_every: int
    sample_every: int
    eval: EvalConfig

    def __post_init__(self):
        counts = ("steps", "accumulate", "log_every", "checkpoint_every", "export_every")
        for name in (*counts, "keep_checkpoints"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if self.eval.every < 1:
            raise ValueError(f"eval.every={self.eval.every}: expected at least 1")
