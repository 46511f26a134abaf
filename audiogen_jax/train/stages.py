"""The stages of training by name: what each can be told, and what it does."""

from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from ml_collections import ConfigDict

from audiogen_jax.train.batches import AudioBatch, host_batch, open_batches
from audiogen_jax.train.objective import Objective, OpenAudio
from audiogen_jax.train.objectives.editing import Editing, EditingConfig
from audiogen_jax.train.objectives.flow_map_distillation import (
    FlowMapConfig,
    FlowMapDistillation,
)
from audiogen_jax.train.objectives.flow_matching import FlowMatching
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig
from audiogen_jax.train.objectives.guidance_distillation import (
    GuidanceDistillation,
    GuidanceDistillationConfig,
)
from audiogen_jax.train.objectives.masked_autoencoding import (
    MaskedAutoencoding,
    MaskedAutoencodingConfig,
)
from audiogen_jax.train.objectives.separation import Separation, SeparationConfig
from audiogen_jax.train.objectives.tokenizer_gan import TokenizerGAN, TokenizerGANConfig
from audiogen_jax.train.train_config import TrainConfig
from audiogen_jax.train.typed_config import typed

Config = TypeVar("Config", bound=TrainConfig)


class Stage(NamedTuple, Generic[Config]):
    """One stage.

    Attributes:
      config: what it can be told.
      load: (that, what opens the training data anew) -> the objective, with what it reads.
    """

    config: type[Config]
    load: Callable[[Config, OpenAudio], Objective]


STAGES: dict[str, Stage] = {
    "masked_autoencoder": Stage(MaskedAutoencodingConfig, MaskedAutoencoding),
    "tokenizer": Stage(TokenizerGANConfig, TokenizerGAN.load),
    "flow_matching": Stage(FlowMatchingConfig, FlowMatching.load),
    "flow_map_distillation": Stage(FlowMapConfig, FlowMapDistillation.load),
    "guidance_distillation": Stage(GuidanceDistillationConfig, GuidanceDistillation.load),
    "editing": Stage(EditingConfig, Editing.load),
    "separation": Stage(SeparationConfig, Separation.load),
}


def parse_config(config: ConfigDict) -> TrainConfig:
    """The config of a stage as a dataclass.

    Raises:
      ValueError: a key is unknown or missing, or its value is of another type or impossible.
    """
    name = config.get("objective")
    if name not in STAGES:
        raise ValueError(f"objective={name!r}: expected one of {sorted(STAGES)}")
    return typed(STAGES[name].config, config.to_dict())


def load_objective(config: TrainConfig) -> Objective:
    """The objective of a config, with all that it reads before the first step.

    Raises:
      ValueError: the config names no checkpoint that it needs, or one that does not fit.
    """

    def open_data() -> Iterator[AudioBatch]:
        for fields in open_batches(config.data, "train", config.seed):
            batch = host_batch(fields).arrays
            assert isinstance(batch, AudioBatch)
            yield batch

    return STAGES[config.objective].load(config, open_data)
