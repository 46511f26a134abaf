"""What every stage of training can be told; each stage adds fields beside its objective."""

import dataclasses

import jax

from audiogen_jax.input.audio_batches import DataConfig
from audiogen_jax.input.latent_batches import LatentDataConfig
from audiogen_jax.sharding.mesh import MeshConfig
from audiogen_jax.sharding.placement import PRESETS
from audiogen_jax.train.optimizer import OptimizerConfig
from audiogen_jax.types import AtLeastOne, NotNegative, Seed, Whole


@dataclasses.dataclass(frozen=True)
class GuardConfig:
    """Which steps do not count.

    Attributes:
      spike: a gradient norm of more than so many times the usual one; 0: none is a spike.
      limit: how many steps in a row may fail to count before the training stops.
    """

    spike: NotNegative
    limit: Whole


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """Validation.

    Attributes:
      every: steps between two.
      batches: how many; 0: none.
      seed: of their order, noise and masks.
    """

    every: AtLeastOne
    batches: Whole
    seed: Seed


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A training, whatever its objective.

    Attributes:
      objective: name of the stage, a key of `stages.STAGES`.
      seed: of the parameters, the order of the data, and all that steps draw.
      steps: length of the training and of its schedules.
      max_seconds: stop with a checkpoint after this time; 0: no limit.
      stuck_seconds: a process without progress for so long ends, to be started again; three times
        as long until the first steps are done; 0: never.
      data: what batches are made of.
      optimizer: AdamW and its schedule.
      mesh: sizes of the device mesh.
      sharding: how parameters are cut over it, a preset of `sharding`.
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
    seed: Seed
    steps: AtLeastOne
    max_seconds: NotNegative
    stuck_seconds: NotNegative = dataclasses.field(default=600.0, kw_only=True)
    data: DataConfig | LatentDataConfig
    optimizer: OptimizerConfig
    mesh: MeshConfig
    sharding: str
    remat: str | None
    accumulate: AtLeastOne
    guard: GuardConfig
    log_every: AtLeastOne
    checkpoint_every: AtLeastOne
    export_every: AtLeastOne
    keep_checkpoints: AtLeastOne
    keep_every: Whole
    sample_every: Whole
    eval: EvalConfig

    def __post_init__(self):
        if 0 < self.guard.spike <= 1:
            raise ValueError(f"guard.spike={self.guard.spike}: expected above 1, or 0 for none")
        if self.sharding not in PRESETS:
            raise ValueError(f"sharding={self.sharding!r}: expected one of {sorted(PRESETS)}")
        if self.remat is not None and not hasattr(jax.checkpoint_policies, self.remat):
            raise ValueError(
                f"remat={self.remat!r}: expected a policy of jax.checkpoint_policies, such as "
                "nothing_saveable"
            )
        if uneven := [size for size in self.data.batch_sizes if size % self.accumulate]:
            raise ValueError(
                f"accumulate={self.accumulate} does not divide data.batch_sizes {uneven}"
            )
        if not self.eval.batches:  # nothing is held out for nobody
            data = dataclasses.replace(self.data, holdout=0.0)
            object.__setattr__(self, "data", data)
