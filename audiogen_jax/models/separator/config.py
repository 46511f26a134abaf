"""Sizes of a separator, as in its `config.json`."""

import dataclasses

from audiogen_jax.models.hf_config import HFConfig, Rate, SmallCount, Width


@dataclasses.dataclass(frozen=True)
class SeparatorConfig(HFConfig):
    """A transformer over the spectra of a recording that is told what to look for.

    Attributes:
      sample_rate: Hz of the recording.
      n_fft, hop: samples of a spectrum, and from one to the next.
      latent_dim, samples_per_latent: of the codec whose latents it reads beside spectra.
      text_dim: width of the text encoder.
      width, depth, num_heads, hidden: of the blocks, and of their feed-forward layers.
    """

    MODEL_TYPE = "audiogen_separator"

    sample_rate: Rate = 16000
    n_fft: Width = 1024
    hop: Width = 320
    latent_dim: Width = 1280
    samples_per_latent: Width = 640
    text_dim: Width = 1024
    width: Width = 512
    depth: SmallCount = 12
    num_heads: Width = 8
    hidden: Width = 1536

    def __post_init__(self):
        super().__post_init__()
        if self.width % (2 * self.num_heads):
            raise ValueError(
                f"width={self.width} must be an even multiple of num_heads={self.num_heads}"
            )
        if self.n_fft % 2 or self.hop > self.n_fft // 2:
            raise ValueError(
                f"n_fft={self.n_fft}, hop={self.hop}: expected spectra of even size that overlap"
            )

    @property
    def bins(self) -> int:
        """Frequencies of a spectrum."""
        return self.n_fft // 2 + 1
