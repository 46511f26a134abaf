"""DashengTokenizer: 16 kHz audio <-> latents at 25 Hz that are both semantic and acoustic.

latent = semantic(audio) + acoustic(audio): the frozen encoder's token plus one linear injection
of a high-resolution log-mel patch; the decoder doubles the frame rate and runs Vocos.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, Int

from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.layers.stack import StackOptions
from audiogen_jax.models.dasheng.audio_encoder import PATCH_FRAMES, AudioEncoder
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.vocos import Vocos
from audiogen_jax.models.quirks import NO_QUIRKS, Quirks
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.ops.mel import log_mel
from audiogen_jax.types import Count, ModuleDTypes

MIN_SAMPLES = 513  # the 1024-sample window must be mirrored at both edges


def latent_length(samples: Count) -> Count:
    """Latent frames of clips of so many samples."""
    return (samples // 160 + 1) // PATCH_FRAMES


class AcousticInjection(nn.Module):
    """LayerNorm(Linear(four frames of log-mel)); no context beyond the frames themselves."""

    config: TokenizerConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, audio: Float[Array, "b n"], lengths: Int[Array, " b"] | None = None
    ) -> Float[Array, "b t c"]:
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        mel = log_mel(audio, c.n_mels_patch, lengths)
        t = mel.shape[1] // PATCH_FRAMES
        patches = mel[:, : t * PATCH_FRAMES].reshape(mel.shape[0], t, -1)
        embedded = nn.Dense(c.embed_dim, name="patch_embed", **dtypes)(patches)
        return LayerNorm(name="norm", **dtypes)(embedded)


class Upsampler(nn.Module):
    """Transposed convolution whose kernel equals its stride: each frame becomes `factor` frames."""

    factor: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b {self.factor}*t c"]:
        b, t, c = x.shape
        init = nn.initializers.lecun_normal(in_axis=0, out_axis=2, batch_axis=1)
        kernel = self.param("kernel", init, (c, self.factor, c), self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (c,), self.param_dtype)
        y = jnp.einsum("btc,cko->btko", x.astype(self.dtype), kernel.astype(self.dtype))
        return y.reshape(b, t * self.factor, c) + bias.astype(self.dtype)


class DashengTokenizer(nn.Module):
    """Encoder and decoder; use `apply(..., method="encode")` and `method="decode"`."""

    config: TokenizerConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        depth = StackOptions(remat=self.remat, unroll=self.unroll)
        self.audio_encoder = AudioEncoder(c, **dtypes, **depth)
        self.acoustic_injection = AcousticInjection(c, **dtypes)
        self.upsampler = Upsampler(c.upsample_tokens, **dtypes)
        self.decoder = Vocos(c, **dtypes, **depth)

    def semantic(
        self,
        audio: Float[Array, "b n"],
        lengths: Int[Array, " b"] | None = None,
        quirks: Quirks = NO_QUIRKS,
    ) -> Float[Array, "b t c"]:
        """The semantic encoder's tokens."""
        return self.audio_encoder(audio, lengths, quirks)

    def acoustic(
        self, audio: Float[Array, "b n"], lengths: Int[Array, " b"] | None = None
    ) -> Float[Array, "b t c"]:
        """The acoustic injection."""
        return self.acoustic_injection(audio, lengths)

    def encode(
        self,
        audio: Float[Array, "b n"],
        lengths: Int[Array, " b"] | None = None,
        quirks: Quirks = NO_QUIRKS,
    ) -> Float[Array, "b t c"]:
        """Audio to latents.

        Args:
          audio: 16 kHz samples, at least 513 per clip.
          lengths: valid samples of each clip; None means all. By default what stands past them
            changes nothing, and latents there are zero.
          quirks: of the PyTorch release's treatment of a batch.

        Returns:
          (n // 160 + 1) // 4 latents of `embed_dim` channels.

        Raises:
          ValueError: the audio is too short.
        """
        if audio.shape[1] < MIN_SAMPLES:
            raise ValueError(
                f"audio of {audio.shape[1]} samples is too short to encode: "
                f"at least {MIN_SAMPLES} samples (33 ms) are needed"
            )
        acoustic_lengths = None if quirks.unmasked_acoustics else lengths
        latents = self.semantic(audio, lengths, quirks) + self.acoustic(audio, acoustic_lengths)
        if lengths is None or quirks.unmasked_acoustics:
            return latents
        valid = length_mask(latent_length(lengths), latents.shape[1])
        return jnp.where(valid[..., None], latents, 0)

    def decode(
        self, latents: Float[Array, "b t c"]
    ) -> Float[Array, "b t*{self.config.upsample_tokens}*{self.config.istft_hop}"]:
        """Latents to audio: 640 samples per latent frame."""
        return self.decoder(self.upsampler(latents))

    def __call__(self, audio: Float[Array, "b n"]) -> Float[Array, "b _"]:
        """Reconstructs audio; touches every parameter."""
        return self.decode(self.encode(audio))
