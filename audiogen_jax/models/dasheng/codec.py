"""DashengTokenizer as an `AudioCodec`: 16 kHz mono <-> latents at 25 Hz."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Self

import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, Int, PRNGKeyArray

from audiogen_jax.layers.apply import apply
from audiogen_jax.models.dasheng.axes import AXES
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.tokenizer import MIN_SAMPLES, DashengTokenizer, latent_length
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.types import Count, Latents, Params

_SETTINGS = ("embed_dim", "depth", "num_heads", "n_mels_patch", "hop_length")


@dataclasses.dataclass(frozen=True)
class DashengCodec:
    """A `models.protocols.LayeredCodec`.

    Attributes:
      config: its sizes.
      dtype: of the computation; mel spectra, norms and the inverse STFT are float32 in any.
      remat: policy of `jax.checkpoint_policies` by which layers are rematerialised.
      unroll: layers as a Python loop instead of a scan.
      quirks: of the PyTorch release.
    """

    config: TokenizerConfig
    dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False
    quirks: Quirks = Quirks()

    channels = 1
    min_samples = MIN_SAMPLES
    encoder = ("audio_encoder", "acoustic_injection")
    decoder = ("upsampler", "decoder")
    layers = ("semantic", "acoustic", "unified")
    axes = AXES

    @property
    def sample_rate(self) -> int:
        return self.config.SAMPLE_RATE

    @property
    def samples_per_latent(self) -> int:
        return self.config.samples_per_latent

    @property
    def latent_dim(self) -> int:
        return self.config.embed_dim

    @property
    def reach(self) -> int:
        """Kernel-7 convolutions, then the overlap of the inverse STFT."""
        convolutions = 3 * (self.config.decoder_depth + 1)
        synthesis = -(-self.config.istft_n_fft // (2 * self.config.istft_hop))
        return -(-(convolutions + synthesis) // self.config.upsample_tokens)

    @property
    def settings(self) -> Mapping[str, object]:
        return {name: getattr(self.config, name) for name in _SETTINGS}

    def with_quirks(self, quirks: Quirks) -> Self:
        return dataclasses.replace(self, quirks=quirks)

    @functools.cached_property
    def network(self) -> DashengTokenizer:
        """The Linen module."""
        return DashengTokenizer(self.config, dtype=self.dtype, remat=self.remat, unroll=self.unroll)

    def init(self, key: PRNGKeyArray) -> Params:
        return self.network.init(key, jnp.zeros((1, self.sample_rate)))["params"]

    def latent_length(self, samples: Count) -> Count:
        return latent_length(samples)

    def encode(
        self,
        params: Params,
        audio: Float[Array, "b n 1"],
        lengths: Int[Array, " b"] | None = None,
    ) -> Latents:
        return apply(self.network, params, audio[:, :, 0], lengths, self.quirks, method="encode")

    def encode_layer(
        self,
        params: Params,
        audio: Float[Array, "b n 1"],
        lengths: Int[Array, " b"] | None,
        layer: str,
    ) -> Latents:
        """The semantic encoder's tokens, the acoustic injection, or their sum, the latents."""
        if layer == "unified":
            return self.encode(params, audio, lengths)
        return apply(self.network, params, audio[:, :, 0], lengths, method=layer)

    def decode(self, params: Params, latents: Latents) -> Float[Array, "b n 1"]:
        return apply(self.network, params, latents, method="decode")[:, :, None]
