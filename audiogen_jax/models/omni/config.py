"""Sizes of the parts of Audio-Omni."""

import dataclasses
import math
from typing import Annotated

from audiogen_jax.models.hf_config import HFConfig, Rate, Width
from audiogen_jax.types import Range


@dataclasses.dataclass(frozen=True)
class OobleckConfig(HFConfig):
    """The Oobleck VAE: waveform of several channels <-> latents of `latent_dim` channels.

    Attributes:
      audio_channels: of the waveform.
      sample_rate: Hz.
      channels: width of the first convolution.
      c_mults: width of every level, in multiples of `channels`.
      strides: by which every level of the encoder is shorter than the last.
      latent_dim: channels of the latents.
    """

    MODEL_TYPE = "oobleck"

    audio_channels: Annotated[int, Range(1, 64)] = 2
    sample_rate: Rate = 44100
    channels: Width = 128
    c_mults: Annotated[tuple[int, ...], Range(1, 1024)] = (1, 2, 4, 8, 16)
    strides: Annotated[tuple[int, ...], Range(2, 64)] = (2, 4, 4, 8, 8)
    latent_dim: Width = 64

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= len(self.strides) == len(self.c_mults) <= 16:
            raise ValueError(
                f"strides={self.strides} and c_mults={self.c_mults}: expected 1 to 16 of each, "
                "one for every level"
            )
        if any(stride % 2 for stride in self.strides) or self.samples_per_latent > 2**20:
            raise ValueError(
                f"strides={self.strides}: expected even numbers (latent frames of as many samples "
                f"each) with a product of at most {2**20}"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels before the first level and after every one."""
        return (self.channels, *(self.channels * factor for factor in self.c_mults))

    @property
    def samples_per_latent(self) -> int:
        """Samples that one latent frame covers (2048)."""
        return math.prod(self.strides)
