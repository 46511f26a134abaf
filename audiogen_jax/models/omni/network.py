"""The network of Audio-Omni: conditioners and velocity, everything that is trained."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, DTypeLike, Float, Int

from audiogen_jax.models.omni.conditioners.mel import MelTokens
from audiogen_jax.models.omni.conditioners.sync import SyncTokens
from audiogen_jax.models.omni.conditioners.thinker_features import ThinkerProjection
from audiogen_jax.models.omni.conditioners.transcript import TranscriptTokens
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.models.omni.dit import DiT
from audiogen_jax.types import FrameMask, Latents, ModuleDTypes, TokenMask


class OmniNetwork(nn.Module):
    """Use `apply(..., method=...)`; each method is one part of the whole."""

    config: OmniConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        self.thinker_projection = ThinkerProjection(c, **dtypes)
        self.transcript = TranscriptTokens(c, **dtypes)
        self.sync = SyncTokens(c, **dtypes)
        self.mel = MelTokens(c, **dtypes)
        self.dit = DiT(c, remat=self.remat, unroll=self.unroll, **dtypes)

    def context(
        self,
        features: Float[Array, "b l d"],
        mask: TokenMask,
        transcript: Int[Array, "b s"],
        has_transcript: Bool[Array, " b"],
        normed_in_mixed_batches: bool = False,
    ) -> tuple[Float[Array, "b m e"], Bool[Array, "b m"]]:
        """What is attended to: tokens of the thinker, then of the transcript."""
        thought, valid = self.thinker_projection(features, mask)
        spoken = self.transcript(transcript, has_transcript, normed_in_mixed_batches)
        always = jnp.ones(spoken.shape[:2], bool)
        context = jnp.concatenate([thought.astype(spoken.dtype), spoken], axis=1)
        return context, jnp.concatenate([valid, always], axis=1)

    def prefix(
        self, sync: Float[Array, "b v e1"], mel: Float[Array, "b w f"]
    ) -> Float[Array, "b p e"]:
        """What stands before the latents: tokens of the video, then of the reference audio."""
        seen, heard = self.sync(sync), self.mel(mel)
        return jnp.concatenate([seen.astype(heard.dtype), heard], axis=1)

    def velocity(
        self,
        x: Latents,
        sigma: Float[Array, " b"],
        context: Float[Array, "b m e"],
        context_mask: Bool[Array, "b m"],
        prefix: Float[Array, "b p e"],
        x_mask: FrameMask | None,
    ) -> Latents:
        """See `DiT`."""
        return self.dit(x, sigma, context, context_mask, prefix, x_mask)

    def __call__(
        self,
        features: Float[Array, "b l d"],
        mask: TokenMask,
        transcript: Int[Array, "b s"],
        has_transcript: Bool[Array, " b"],
        sync: Float[Array, "b v e1"],
        mel: Float[Array, "b w f"],
        x: Latents,
        sigma: Float[Array, " b"],
    ) -> Latents:
        """From conditions to the velocity; touches every parameter."""
        context, context_mask = self.context(features, mask, transcript, has_transcript)
        return self.velocity(x, sigma, context, context_mask, self.prefix(sync, mel), None)
