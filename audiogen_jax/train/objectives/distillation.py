"""What distillations share: a student that begins as the frozen generator that teaches it."""

import dataclasses
from typing import ClassVar, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from audiogen_jax.flow.flow_map import FEW_STEP_SAMPLING, Distilled
from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.schedules import SCHEDULES
from audiogen_jax.flow.solvers import SOLVERS
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.models.protocols import Generator
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.train.batches import Batch
from audiogen_jax.train.objective import OpenAudio
from audiogen_jax.train.objectives.flow_matching import SAMPLE_GUIDANCE, FlowMatching
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig
from audiogen_jax.train.state import TrainState
from audiogen_jax.types import Latents, NotNegative, Params

SAMPLE_STEPS = 4
"""Of the clips that a training lets one listen to."""


@dataclasses.dataclass(frozen=True)
class DistillationConfig(FlowMatchingConfig):
    """A distillation of `init`.

    Attributes:
      guidance: lowest and highest scale s; one is drawn for every clip and told to the student.
    """

    guidance: tuple[NotNegative, NotNegative] = (1.0, 6.0)

    def __post_init__(self):
        super().__post_init__()
        if not self.guidance[0] <= self.guidance[1]:
            raise ValueError(f"guidance={self.guidance}: expected (lowest, highest)")


@dataclasses.dataclass(frozen=True, eq=False)
class Distillation(FlowMatching):
    """`generator` is the student; its text encoder and the teacher's network stay as they are.

    What is trained is its network, or adapters of the teacher's and those parameters of the network
    that only a distilled one has.

    Attributes:
      into: what the student is.
    """

    config: DistillationConfig  # pyright: ignore[reportIncompatibleVariableOverride]
    into: ClassVar[Distilled]

    @classmethod
    def load(cls, config: FlowMatchingConfig, open_data: OpenAudio) -> Self:
        """See `FlowMatching.load`.

        Raises:
          ValueError: there is no `init`.
        """
        if config.init is None:
            raise ValueError("init is not set: expected the generator to distil (--set init=nano)")
        base = FlowMatching.load(config, open_data)
        assert isinstance(base.config, DistillationConfig)
        student = base.generator.as_distilled(cls.into)
        return cls(base.config, student, base.codec, base.loaded, base=base.generator)

    @classmethod
    def without_parameters(cls, config: FlowMatchingConfig) -> Self:
        teacher = config.make_generator()
        assert isinstance(config, DistillationConfig)
        return cls(config, teacher.as_distilled(cls.into), base=teacher)

    @property
    def teacher(self) -> Generator:
        """The generator that is distilled."""
        assert self.base is not None
        return self.base

    def without_remat(self) -> Self:
        if self.config.remat is None:
            return self
        config = dataclasses.replace(self.config, remat=None)
        plain = self.without_parameters(config)
        return dataclasses.replace(plain, codec=self.codec, loaded=self.loaded)

    @property
    def _frozen_names(self) -> tuple[str, ...]:
        return self.generator.encoders

    @property
    def frozen(self) -> Params:
        codec = ("codec",) if self.config.has_audio else ()
        names = *self.generator.encoders, self.generator.network, *codec
        return {name: self.loaded[name] for name in names}

    def frozen_shapes(self) -> Params:
        return jax.eval_shape(self.teacher.init, jax.random.key(0))

    def scales(self, key: jax.Array, clips: int) -> Float[Array, " b"]:
        """Guidance scales of some clips."""
        low, high = self.config.guidance
        return jax.random.uniform(key, (clips,), minval=low, maxval=high)

    def sample(self, state: TrainState, batch: Batch, frozen: Params) -> Latents:
        """Latents of a batch's prompts in few steps, each as long as the batch's own clip."""
        student, key = self.generator, jax.random.key(self.config.eval.seed)
        params = student.for_sampling(self.assemble(self.exported(state), frozen))
        mask = length_mask(jnp.asarray(self.frame_lengths(batch)), self._padded_frames(batch))
        velocity, levels = guided_velocity(
            student,
            params,
            student.condition(params, self._prompts(batch)),
            Guidance.told(SAMPLE_GUIDANCE),
            mask,
            unconditional=True,
        )
        noise = jax.random.normal(key, (*mask.shape, student.latent_dim))
        solver, schedule = FEW_STEP_SAMPLING[self.into]
        plan = SOLVERS[solver](SCHEDULES[schedule](SAMPLE_STEPS))
        return sample(velocity, noise, plan, mask, prepare=levels)
