"""Multi-head self- and cross-attention."""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jaxtyping import Array, Bool, DTypeLike, Float

from audiogen_jax.layers.norm import NORMS
from audiogen_jax.ops.attention import attention
from audiogen_jax.ops.rope import apply_rope
from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.types import ModuleDTypes


class Attention(nn.Module):
    """Multi-head attention over `x`, or from `x` to a context.

    Attributes:
      features: width of `x` and of the result.
      num_heads: heads.
      head_dim: width of one head; `features` divided by `num_heads` if None.
      qkv_bias: whether queries, keys and values have a bias.
      key_bias: whether keys have one; as the others if None.
      out_bias: whether the output projection has one.
      qk_norm: "layernorm" or "rmsnorm" over each head's queries and keys, before RoPE.
      rope: rotary positions on queries and keys (self-attention only).
      rope_dims: first ones of a head that they turn; all if None.
      scale: of the logits; 1 / sqrt(head_dim) if None.
      query_init: initialiser of the query projection.
    """

    features: int
    num_heads: int
    head_dim: int | None = None
    qkv_bias: bool = False
    key_bias: bool | None = None
    out_bias: bool = True
    qk_norm: str | None = None
    rope: bool = False
    rope_dims: int | None = None
    scale: float | None = None
    query_init: Initializer = nn.linear.default_kernel_init
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        width = self.num_heads * (self.head_dim or self.features // self.num_heads)
        project = functools.partial(nn.Dense, width, use_bias=self.qkv_bias, **dtypes)
        self.query = project(kernel_init=self.query_init)
        key_bias = self.qkv_bias if self.key_bias is None else self.key_bias
        self.key, self.value = project(use_bias=key_bias), project()
        if self.qk_norm is not None:
            self.query_norm, self.key_norm = (NORMS[self.qk_norm](**dtypes) for _ in range(2))
        self.out = nn.Dense(self.features, use_bias=self.out_bias, **dtypes)

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
        key, value = self.keys_and_values(x if context is None else context)
        return self.attend(x, key, value, key_mask, bias)

    def keys_and_values(
        self, context: Float[Array, "b l e"]
    ) -> tuple[Float[Array, "b l h k"], Float[Array, "b l h k"]]:
        """What `attend` needs to know of a context."""
        key, value = self._heads(self.key(context)), self._heads(self.value(context))
        if self.qk_norm is not None:
            key = self.key_norm(key)
        return self._turned(key), value

    def attend(
        self,
        x: Float[Array, "b t d"],
        key: Float[Array, "b l h k"],
        value: Float[Array, "b l h k"],
        key_mask: Bool[Array, "b l"] | None = None,
        bias: Float[Array, "h t l"] | None = None,
    ) -> Float[Array, "b t d"]:
        """Attends from `x` to keys and values at hand."""
        query = self._heads(self.query(x))
        if self.qk_norm is not None:
            query = self.query_norm(query)
        attended = attention(self._turned(query), key, value, key_mask, bias, self.scale)
        return self.out(attended.reshape(*x.shape[:2], -1))

    def of_one_value(self, context: Float[Array, " e"]) -> Float[Array, " d"]:
        """Attention to a context that holds this vector alone, however often: the query is moot."""
        return self.out(self.value(context))

    def _turned(self, x: Float[Array, "b l h k"]) -> Float[Array, "b l h k"]:
        return apply_rope(x, dims=self.rope_dims) if self.rope else x

    def _heads(self, projected: Float[Array, "b l d"]) -> Float[Array, "b l h k"]:
        heads = projected.reshape(*projected.shape[:2], self.num_heads, -1)
        return constrain(heads, "batch", "length", "heads", "head_dim")
