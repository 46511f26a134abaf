"""Sizes of the parts of Audio-Omni."""

import dataclasses
import math
from typing import Annotated

from audiogen_jax.models.hf_config import Fraction, HFConfig, Rate, SmallCount, Width
from audiogen_jax.types import Range

ROTARY_DIMS = 32
"""Fewest numbers of a head that are rotated."""


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


@dataclasses.dataclass(frozen=True)
class OmniConfig(HFConfig):
    """Audio-Omni without its thinker and its codec: conditioners and the velocity network.

    Attributes:
      sample_rate: of the codec and of reference audio, Hz.
      sample_size: samples of a clip of the training.
      downsampling_ratio: samples of one latent frame.
      io_channels: of the latents.
      embed_dim: width of the velocity network.
      depth: its blocks.
      num_heads: of its attention.
      cond_dim: width of all conditions.
      pad_length: most tokens of the thinker.
      thinker_dim: width of the thinker.
      sync_dim: width of the visual features.
      sync_length: visual features of a clip.
      sync_tokens: that become of them.
      vocab_size: characters and syllables of transcripts; one more row is the filler.
      text_dim: width of the transcript encoder.
      text_length: characters and syllables of the longest transcript.
      text_tokens: that become of them.
      text_layers: blocks of the transcript encoder.
      text_mult: their hidden width, in multiples of `text_dim`.
      n_fft: samples of a window of the mel spectrogram.
      hop_length: samples from one window to the next.
      n_mels: of the mel spectrogram.
      reference_samples: of reference audio.
      mel_tokens: that become of its mel frames.
      mask_ratio_start, mask_ratio_end: how much of the voice prompt a training hides.
      codec: folder of the codec, beside config.json.
      thinker: folder of the thinker, or the name of a hub repository.
    """

    MODEL_TYPE = "audio_omni"

    sample_rate: Rate = 44100
    sample_size: Annotated[int, Range(1, 2**28)] = 485100
    downsampling_ratio: Rate = 2048
    io_channels: Width = 64
    embed_dim: Width = 2048
    depth: SmallCount = 36
    num_heads: SmallCount = 32
    cond_dim: Width = 768
    pad_length: Width = 2048
    thinker_dim: Width = 2048
    sync_dim: Width = 768
    sync_length: Width = 240
    sync_tokens: Width = 128
    vocab_size: Width = 2545
    text_dim: Width = 512
    text_length: Width = 2584
    text_tokens: Width = 256
    text_layers: SmallCount = 4
    text_mult: SmallCount = 2
    n_fft: Annotated[int, Range(16, 2**16)] = 1024
    hop_length: Annotated[int, Range(1, 2**16)] = 256
    n_mels: SmallCount = 100
    reference_samples: Annotated[int, Range(1, 2**28)] = 441000
    mel_tokens: Width = 236
    mask_ratio_start: Fraction = 0.7
    mask_ratio_end: Fraction = 1.0
    codec: str = "codec"
    thinker: str = "Qwen/Qwen2.5-Omni-3B"

    def __post_init__(self):
        super().__post_init__()
        head = self.embed_dim // self.num_heads
        if self.embed_dim % self.num_heads or head % 2 or head < ROTARY_DIMS:
            raise ValueError(
                f"embed_dim={self.embed_dim} must split into num_heads={self.num_heads} heads of "
                f"even size, at least {ROTARY_DIMS} (so many numbers of a head are rotated)"
            )
        if self.text_dim % 2:
            raise ValueError(f"text_dim={self.text_dim} must be even (cosines and sines)")
        if self.window < 1:
            raise ValueError(
                f"sample_size={self.sample_size} holds no latent frame of downsampling_ratio="
                f"{self.downsampling_ratio} samples"
            )
        if self.reference_samples <= self.n_fft // 2:
            raise ValueError(
                f"reference_samples={self.reference_samples} must be above half of n_fft="
                f"{self.n_fft} (edges are mirrored)"
            )
        if self.mask_ratio_start > self.mask_ratio_end:
            raise ValueError(
                f"mask_ratio_start={self.mask_ratio_start} must be at most mask_ratio_end="
                f"{self.mask_ratio_end}"
            )

    @property
    def window(self) -> int:
        """Latent frames of a clip of the training (236)."""
        return self.sample_size // self.downsampling_ratio

    @property
    def rotary_dims(self) -> int:
        """First numbers of a head that are rotated: half of it, at least 32."""
        return max(self.embed_dim // self.num_heads // 2, ROTARY_DIMS)

    @property
    def mel_frames(self) -> int:
        """Frames of the mel spectrogram of reference audio (1723)."""
        return self.reference_samples // self.hop_length + 1
