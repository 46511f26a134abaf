"""Sizes of DashengTokenizer, named like the fields of its `config.json`."""

import dataclasses

from audiogen_jax.models.hf_config import HFConfig


@dataclasses.dataclass(frozen=True)
class TokenizerConfig(HFConfig):
    """DashengTokenizer: 16 kHz waveform <-> 25 Hz latents of `embed_dim` channels."""

    MODEL_TYPE = "dashengtokenizer"

    embed_dim: int = 1280
    depth: int = 32
    num_heads: int = 16
    n_mels_patch: int = 128
    hop_length: int = 160
    decoder_embed_dim: int = 1280
    decoder_depth: int = 12
    decoder_intermediate_size: int = 5120
    istft_n_fft: int = 1280
    istft_hop: int = 320
    upsample_tokens: int = 2

    SAMPLE_RATE = 16000

    def __post_init__(self):
        if self.embed_dim % self.num_heads:
            raise ValueError(
                f"embed_dim={self.embed_dim} must be a multiple of num_heads={self.num_heads}"
            )
        if self.istft_hop * self.upsample_tokens != 4 * self.hop_length:
            raise ValueError(
                f"istft_hop={self.istft_hop} x upsample_tokens={self.upsample_tokens} must equal "
                f"the {4 * self.hop_length} samples of one latent frame (4 x hop_length)"
            )

    @property
    def samples_per_latent(self) -> int:
        """Samples covered by one latent frame (640, hence 25 latents per second)."""
        return 4 * self.hop_length
