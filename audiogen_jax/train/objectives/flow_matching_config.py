"""What the training of a generator can be told."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Array, Float

from audiogen_jax.checkpoints.registry import GENERATORS
from audiogen_jax.flow.path import logit_normal, shift_levels, uniform
from audiogen_jax.input.latent_batches import LatentDataConfig
from audiogen_jax.models.prompting import ReadsAhead
from audiogen_jax.models.protocols import Generator
from audiogen_jax.train.train_config import TrainConfig
from audiogen_jax.types import (
    CheckpointSource,
    Decay,
    FilePath,
    Finite,
    NotNegative,
    Positive,
    Whole,
    compute_dtype,
)


@dataclasses.dataclass(frozen=True)
class AdapterConfig:
    """Low-rank adapters (arXiv:2106.09685).

    Attributes:
      rank: of the adapters that are trained in place of the network; 0: the network is.
      alpha: their products count alpha / rank times (section 4.1); 0: as `rank`, so once.
      init: file of such adapters to go on from, of an export; None: they change nothing at first.
    """

    rank: Whole
    alpha: NotNegative
    init: FilePath | None = None

    def __post_init__(self):
        if self.init is not None and not self.rank:
            raise ValueError(f"lora.init={self.init!r}: no adapters are trained, lora.rank is 0")


@dataclasses.dataclass(frozen=True)
class TimeSamplingConfig:
    """How noise levels are drawn.

    Attributes:
      kind: "uniform" or "logit_normal".
      mean: of the normal; positive moves towards noise.
      std: of the normal.
      shift: moves what is drawn, see `flow.path.shift_levels`; latents of many numbers need more
        noise: `shift_of_size` gives 8.8 for 10 s of 1280 channels.
    """

    kind: str
    mean: Finite
    std: Positive
    shift: Positive = 1.0

    def __post_init__(self):
        if self.kind not in ("uniform", "logit_normal"):
            raise ValueError(
                f"time_sampling.kind={self.kind!r}: expected 'uniform' or 'logit_normal'"
            )

    def draw(self, key: jax.Array, clips: int) -> Float[Array, " b"]:
        """Noise levels in [0, 1]."""
        if self.kind == "uniform":
            drawn = uniform(key, clips)
        else:
            drawn = logit_normal(key, clips, self.mean, self.std)
        return shift_levels(drawn, self.shift)


@dataclasses.dataclass(frozen=True)
class FlowMatchingConfig(TrainConfig):
    """A training of a generator.

    Attributes:
      tokenizer: the codec whose latents are learnt; that of `init` if None. This and the next two
        are "nano", a folder in Hugging Face layout or the name of a hub repository, and a generator
        stands for its codec or its text encoder.
      init: generator to start from; random weights if None.
      text_encoder: text encoder that stays as it is; trained along if None.
      lora: adapters.
      ema_decay: of the averaged parameters; 0 keeps no average, and exports the parameters.
      time_sampling: of the noise levels.
      duration_weight: of the loss of predicted durations.
      dtype: of activations; parameters, moments and averages are float32.
      model: sizes of the generator, as its family reads them; those of `init` if None.
      model_type: the family, a key of `checkpoints.registry.GENERATORS`.
      needs_init: whether random weights instead of `init` would be a mistake.
    """

    tokenizer: CheckpointSource | None
    init: CheckpointSource | None
    text_encoder: CheckpointSource | None
    lora: AdapterConfig
    ema_decay: Decay
    time_sampling: TimeSamplingConfig
    duration_weight: NotNegative
    dtype: np.dtype
    model: Mapping[str, object] | None
    model_type: str = "dasheng_audiogen"
    needs_init: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.model_type not in GENERATORS:
            raise ValueError(
                f"model_type={self.model_type!r}: expected one of {sorted(GENERATORS)}"
            )
        compute_dtype(self.dtype)
        if self.init is None:
            if self.model is None:
                raise ValueError(
                    "init is not set: expected the generator to start from, 'nano', a folder or a "
                    "hub name (--set init=nano)"
                )
            if self.data.has_prompts and self.text_encoder is None:
                raise ValueError(
                    "text_encoder is not set: expected the model that has read the encoded prompts "
                    "(encode-dataset --prompts-with MODEL), or an init that it is part of"
                )
            if self.text_encoder is None and self.data.text_tokenizer is None:
                raise ValueError(
                    "data.text_tokenizer is not set: expected a tokenizer.json, or an init or a "
                    "text_encoder that brings one"
                )

    @property
    def adapter_scale(self) -> float:
        """How often the products of adapters count."""
        return (self.lora.alpha or self.lora.rank) / self.lora.rank

    @property
    def has_audio(self) -> bool:
        """Do batches hold audio, to be encoded in the step, and not latents?"""
        return not isinstance(self.data, LatentDataConfig)

    def make_generator(self) -> Generator:
        """The model.

        Raises:
          ValueError: `model` does not hold the sizes of its family, or that reads no encoded
            prompts.
        """
        assert self.model is not None  # see `generator_files.from_base`
        generator: Generator
        try:
            generator = GENERATORS[self.model_type].make(self.model, self.dtype, self.remat)
        except (TypeError, KeyError) as error:
            raise ValueError(f"config key 'model' is no {self.model_type}: {error}") from error
        if not self.data.has_prompts:
            return generator
        if not isinstance(generator, ReadsAhead):
            raise ValueError(
                f"data.encoded_prompts=True: a {self.model_type} reads texts, set it to False"
            )
        return generator.without_encoders()
