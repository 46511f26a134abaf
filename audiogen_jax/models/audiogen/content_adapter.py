"""Content adapter of Dasheng AudioGen: text content to context, global and local durations."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, DTypeLike, Float

from audiogen_jax.layers.attention import Attention
from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.types import ModuleDTypes, TokenMask


class AdapterOutput(NamedTuple):
    """What the adapter makes of a text.

    Attributes:
      content: context for the generator's cross-attention.
      global_duration: ln(seconds + duration_offset) of the clip.
      local_duration: ln(frames of 5 ms + duration_offset) of every token, 0 at padding.
    """

    content: Float[Array, "b l d"]
    global_duration: Float[Array, " b"]
    local_duration: Float[Array, "b l"]


class DurationPredictor(nn.Module):
    """Convolutions over tokens, each with ReLU and LayerNorm (Ren et al. 2020, FastSpeech 2).

    The first convolution sees padded tokens too, as in the release: they reach the last valid
    tokens' durations, which generation does not use.
    """

    config: AudioGenConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b l d"], token_mask: TokenMask, deterministic: bool
    ) -> Float[Array, "b l"]:
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        kernel = (c.duration_predictor_kernel_size,)
        valid = token_mask[:, :, None]
        for i in range(c.duration_predictor_n_layers):
            conv = nn.Conv(c.duration_predictor_filter_channels, kernel, name=f"conv_{i}", **dtypes)
            x = LayerNorm(epsilon=1e-12, name=f"norm_{i}", **dtypes)(nn.relu(conv(x)))
            x = nn.Dropout(c.duration_predictor_p_dropout)(x, deterministic=deterministic)
            x = jnp.where(valid, x, 0)
        return jnp.where(valid, nn.Dense(1, name="out", **dtypes)(x), 0)[:, :, 0]


class ContentAdapter(nn.Module):
    """Attention from the text to the task instruction, and two duration predictors."""

    config: AudioGenConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        content: Float[Array, "b l d"],
        token_mask: TokenMask,
        instruction: Float[Array, "b s d"],
        instruction_mask: Bool[Array, "b s"],
        deterministic: bool = True,
    ) -> AdapterOutput:
        """Adapts encoded text.

        Args:
          content: encoded text.
          token_mask: True at text tokens.
          instruction: embedding of the task.
          instruction_mask: True at its valid positions.
          deterministic: False applies dropout, with a "dropout" random stream.
        """
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        valid = token_mask[:, :, None]
        attend = Attention(
            c.content_dim, c.adapter_num_heads, qkv_bias=True, name="attention", **dtypes
        )
        attended = attend(content, instruction, key_mask=instruction_mask)
        attended = nn.Dropout(c.adapter_dropout)(attended, deterministic=deterministic)
        x = LayerNorm(epsilon=1e-5, name="norm", **dtypes)(jnp.where(valid, attended, 0) + content)

        # Durations train their own layers at full rate and what comes before them slowly.
        slow = _scale_gradient(x, c.adapter_duration_grad_scale)
        count = jnp.maximum(token_mask.sum(axis=1, keepdims=True), 1)
        pooled = jnp.where(valid, slow, 0).sum(axis=1) / count.astype(slow.dtype)
        hidden = nn.relu(nn.Dense(c.content_dim, name="duration_fc1", **dtypes)(pooled))
        hidden = nn.Dropout(c.adapter_dropout)(hidden, deterministic=deterministic)
        global_duration = nn.Dense(1, name="duration_fc2", **dtypes)(hidden)[:, 0]
        local = DurationPredictor(c, name="local_duration", **dtypes)
        return AdapterOutput(
            content=nn.Dense(c.content_dim, name="content_out", **dtypes)(x),
            global_duration=global_duration.astype(jnp.float32),
            local_duration=local(slow, token_mask, deterministic).astype(jnp.float32),
        )


def _scale_gradient(x: Array, scale: float) -> Array:
    """`x`, with its gradient multiplied by `scale`; exactly `x` going forward."""
    constant = jax.lax.stop_gradient(x)
    return constant + scale * (x - constant)
