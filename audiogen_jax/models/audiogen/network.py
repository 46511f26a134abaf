"""The network of Dasheng AudioGen: everything in its checkpoint."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float

from audiogen_jax.flow.flow_map import Jump
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.content_adapter import AdapterOutput, ContentAdapter
from audiogen_jax.models.audiogen.dit import DiT
from audiogen_jax.types import FrameMask, Latents, ModuleDTypes, TokenIds, TokenMask

EMBED_INIT = nn.initializers.normal(0.02)


class AudioGen(nn.Module):
    """Content projection, content adapter and velocity model; use `apply(..., method=...)`.

    Attributes:
      config: the configuration.
      text_dim: width of the text encoder; `content_dim` if None.
    """

    config: AudioGenConfig
    text_dim: int | None = None
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        if c.special_tokens:
            text_dim = self.text_dim or c.content_dim
            self.special_token_embed = nn.Embed(len(c.special_tokens), text_dim, **dtypes)
        self.text_proj = nn.Dense(c.content_dim, **dtypes)
        self.instruction = self.param(
            "instruction",
            EMBED_INIT,
            (c.instruction_seq_len, c.task_instruction_dim),
            self.param_dtype,
        )
        self.content_adapter = ContentAdapter(c, **dtypes)
        # Stand-ins: for time-aligned content where a clip has none (every generated clip), and
        # for the context of a clip whose content is time-aligned.
        for name, width in (
            ("no_time_aligned", c.dit_ta_context_dim),
            ("no_context", c.dit_context_dim),
        ):
            setattr(self, name, self.param(name, EMBED_INIT, (width,), self.param_dtype))
        if c.edits:  # begins as the generator that it is trained from
            zeros = nn.initializers.zeros
            for name, width in (
                ("source_proj", c.dit_ta_context_dim),
                ("source_embed", c.dit_embed_dim),
            ):
                setattr(self, name, nn.Dense(width, use_bias=False, kernel_init=zeros, **dtypes))
        self.dit = DiT(c, remat=self.remat, unroll=self.unroll, **dtypes)

    def replace_special_tokens(
        self,
        token_embeds: Float[Array, "b l d"],
        token_ids: TokenIds,
        special_token_ids: Sequence[int],
    ) -> Float[Array, "b l d"]:
        """Puts the trained embeddings of special tokens in place of the text encoder's.

        Args:
          token_embeds: embeddings of the text encoder.
          token_ids: ids they belong to.
          special_token_ids: the id of every token in `config.special_tokens`.
        """
        matches = token_ids[:, :, None] == jnp.asarray(special_token_ids)
        special = self.special_token_embed(jnp.argmax(matches, axis=-1))
        return jnp.where(matches.any(axis=-1, keepdims=True), special, token_embeds)

    def encode_text(self, text_hidden: Float[Array, "b l e"]) -> Float[Array, "b l d"]:
        """Hidden states of the text encoder to content; padded positions included."""
        return self.text_proj(text_hidden)

    def adapt(
        self, content: Float[Array, "b l d"], token_mask: TokenMask, deterministic: bool = True
    ) -> AdapterOutput:
        """Content to context and durations, under the checkpoint's one task instruction.

        Args:
          content: from `encode_text`.
          token_mask: True at tokens.
          deterministic: False applies dropout, with a "dropout" random stream.
        """
        c = self.config
        if c.use_zero_instruction:
            instruction, length = jnp.zeros((1, c.task_instruction_dim), self.dtype), 1
        else:
            instruction, length = self.instruction, c.instruction_length
            assert length is not None  # the configuration fills it in
        batch, positions = content.shape[0], instruction.shape[0]
        mask = jnp.broadcast_to(jnp.arange(positions) < length, (batch, positions))
        instruction = jnp.broadcast_to(instruction, (batch, *instruction.shape))
        return self.content_adapter(content, token_mask, instruction, mask, deterministic)

    def time_aligned_stand_in(self, batch: int) -> Float[Array, "b 1 d"]:
        """Time-aligned content of clips without any, the same at every frame."""
        return jnp.broadcast_to(self.no_time_aligned, (batch, 1, self.no_time_aligned.shape[0]))

    def read_source(self, latents: Latents) -> tuple[Float[Array, "b t e"], Float[Array, "b t d"]]:
        """Latents of recordings as the DiT takes them, both 0 of zeros.

        Returns:
          What is added to the time-aligned content of every frame, which all blocks see, and to
          the embedded noisy latents, whose way to the output is short: most of a recording stays.
        """
        return self.source_proj(latents), self.source_embed(latents)

    def velocity(
        self,
        x: Latents,
        timestep: Float[Array, " b"],
        context: Float[Array, "b l d"],
        context_mask: TokenMask | None,
        time_aligned: Float[Array, "b _ e"],
        x_mask: FrameMask | None,
        unmasked_final_convolution: bool = False,
        jump: Jump | None = None,
        source: Latents | None = None,
    ) -> Latents:
        """Velocity d x / d sigma of noisy latents.

        Args:
          x: noisy latents.
          timestep: 1000 sigma of each clip.
          context: adapted content; zeros for the unconditional velocity.
          context_mask: True at tokens.
          time_aligned: content of every frame, or of all at once (axis of length 1).
          x_mask: True at valid frames.
          unmasked_final_convolution: see `Quirks`.
          jump: of a distilled network.
          source: latents of the recordings to change.
        """
        beside = None
        if source is not None:
            aligned, beside = self.read_source(source)
            time_aligned = time_aligned + aligned
        return self.dit(
            x,
            timestep,
            context,
            context_mask,
            time_aligned,
            x_mask,
            unmasked_final_convolution,
            jump,
            beside,
        )

    def __call__(
        self,
        text_hidden: Float[Array, "b l e"],
        token_mask: TokenMask,
        x: Latents,
        x_mask: FrameMask,
    ) -> Latents:
        """Velocity at time 0 straight from hidden states; touches every parameter."""
        if self.config.special_tokens:
            self.replace_special_tokens(
                text_hidden,
                jnp.zeros(token_mask.shape, jnp.int32),
                range(len(self.config.special_tokens)),
            )
        adapted = self.adapt(self.encode_text(text_hidden), token_mask)
        aligned = self.time_aligned_stand_in(x.shape[0])
        zeros = jnp.zeros(x.shape[0])
        until = zeros if self.config.distilled == "flow_map" else None
        jump = Jump(zeros, until) if self.config.distilled else None
        content, source = adapted.content, x if self.config.edits else None
        return self.velocity(
            x, zeros, content, token_mask, aligned, x_mask, jump=jump, source=source
        )
