"""Sizes of DashengTokenizer, named like the fields of its `config.json`."""

import dataclasses
from typing import Annotated

from audiogen_jax.models.hf_config import HFConfig, SmallCount, Width
from audiogen_jax.types import Range


@dataclasses.dataclass(frozen=True)
class TokenizerConfig(HFConfig):
    """DashengTokenizer: 16 kHz waveform <-> 25 Hz latents of `embed_dim` channels."""

    MODEL_TYPE = "dashengtokenizer"

    embed_dim: Width = 1280
    depth: SmallCount = 32
    num_heads: Width = 16
    n_mels_patch: SmallCount = 128
    hop_length: Annotated[int, Range(160, 160)] = 160
    decoder_embed_dim: Width = 1280
    decoder_depth: SmallCount = 12
    decoder_intermediate_size: Width = 5120
    istft_n_fft: Width = 1280
    istft_hop: Width = 320
    upsample_tokens: SmallCount = 2

    SAMPLE_RATE = 16000

    def __post_init__(self):
        super().__post_init__()
        if self.embed_dim % self.num_heads:
            raise ValueError(
                f"embed_dim={self.embed_dim} must be a multiple of num_heads={self.num_heads}"
            )
        if self.istft_hop * self.upsample_tokens != 4 * self.hop_length:
            raise ValueError(
                f"istft_hop={self.istft_hop} x upsample_tokens={self.upsample_tokens} must equal "
                f"the {4 * self.hop_length} samples of one latent frame (4 x hop_length)"
            )
        times, rest = divmod(self.istft_n_fft, self.istft_hop)
        if rest or times < 2 or self.istft_hop % 2:
            raise ValueError(
                f"istft_n_fft={self.istft_n_fft} must be twice istft_hop={self.istft_hop} or a "
                "larger multiple, and istft_hop even (windows that overlap)"
            )

    @property
    def samples_per_latent(self) -> int:
        """Samples covered by one latent frame (640, hence 25 latents per second)."""
        return 4 * self.hop_length
