"""Multi-head self- and cross-attention."""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jaxtyping import Array, Bool, Float

from audiogen_jax.layers.norm import LayerNorm, RMSNorm
from audiogen_jax.ops.attention import attention
from audiogen_jax.ops.rope import apply_rope

NORMS = {"layernorm": LayerNorm, "rmsnorm": RMSNorm}
"""The norms that a configuration can name."""


class Attention(nn.Module):
    """Multi-head attention over `x`, or from `x` to a context.

    Attributes:
      num_heads: heads.
      head_dim: width of one head; the width of `x` divided by `num_heads` if None.
      qkv_bias: whether queries, keys and values have a bias.
      out_bias: whether the output projection has one.
      qk_norm: "layernorm" or "rmsnorm" over each head's queries and keys, before RoPE.
      rope: rotary positions on queries and keys (self-attention only).
      scale: of the logits; 1 / sqrt(head_dim) if None.
      query_init: initialiser of the query projection.
    """

    num_heads: int
    head_dim: int | None = None
    qkv_bias: bool = False
    out_bias: bool = True
    qk_norm: str | None = None
    rope: bool = False
    scale: float | None = None
    query_init: Initializer = nn.linear.default_kernel_init
    dtype: jnp.dtype = jnp.float32
    param_dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b t d"],
        context: Float[Array, "b l e"] | None = None,
        key_mask: Bool[Array, "b l"] | None = None,
        bias: Float[Array, "h t l"] | None = None,
    ) -> Float[Array, "b t d"]:
        """Attends.

        Args:
          x: queries, and keys and values too without a context.
          context: keys and values.
          key_mask: True at the keys to attend to; padded queries are still computed.
          bias: added to the logits.
        """
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        context = x if context is None else context
        head_dim = self.head_dim or x.shape[-1] // self.num_heads

        def heads(
            name: str, inputs: Array, init: Initializer = nn.linear.default_kernel_init
        ) -> Array:
            width = self.num_heads * head_dim
            dense = nn.Dense(width, use_bias=self.qkv_bias, kernel_init=init, name=name, **dtypes)
            return dense(inputs).reshape(*inputs.shape[:2], self.num_heads, head_dim)

        query = heads("query", x, self.query_init)
        key, value = heads("key", context), heads("value", context)
        if self.qk_norm is not None:
            norm = functools.partial(NORMS[self.qk_norm], **dtypes)
            query, key = norm(name="query_norm")(query), norm(name="key_norm")(key)
        if self.rope:
            query, key = apply_rope(query), apply_rope(key)
        attended = attention(query, key, value, key_mask, bias, self.scale)
        out = nn.Dense(x.shape[-1], use_bias=self.out_bias, name="out", **dtypes)
        return out(attended.reshape(*x.shape[:2], -1))
