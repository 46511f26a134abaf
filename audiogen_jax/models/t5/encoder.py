"""T5 v1.1 encoder (also Flan-T5 and mT5), Raffel et al. 2020 and Shazeer 2020."""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, DTypeLike, Float

from audiogen_jax.layers.attention import Attention
from audiogen_jax.layers.embeddings import RelativePositionBias
from audiogen_jax.layers.norm import RMSNorm
from audiogen_jax.layers.stack import stack
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.types import ModuleDTypes, TokenIds, TokenMask


class T5Block(nn.Module):
    """Pre-norm self-attention and gated MLP; follows the calling convention of `layers.stack`."""

    config: T5Config
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b l d"],
        _: None,
        bias: Float[Array, "h l l"],
        mask: Bool[Array, "b l"],
    ) -> tuple[Float[Array, "b l d"], None]:
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        norm = functools.partial(RMSNorm, epsilon=c.layer_norm_epsilon, **dtypes)
        y = norm(name="attention_norm")(x)
        # T5 does not scale logits: 1 / sqrt(d_kv) is folded into the initial queries instead.
        attend = Attention(
            c.d_model,
            c.num_heads,
            c.d_kv,
            out_bias=False,
            scale=1.0,
            query_init=nn.initializers.variance_scaling(1 / c.d_kv, "fan_in", "truncated_normal"),
            name="attention",
            **dtypes,
        )
        x = x + attend(y, key_mask=mask, bias=bias)

        def dense(features: int, name: str) -> nn.Dense:
            return nn.Dense(features, use_bias=False, name=name, **dtypes)

        y = norm(name="mlp_norm")(x)
        y = nn.gelu(dense(c.d_ff, "gate")(y), approximate=True) * dense(c.d_ff, "value")(y)
        y = constrain(y, "batch", "length", "mlp")
        return constrain(x + dense(c.d_model, "mlp_out")(y), "batch", "length", "embed"), None


class T5Encoder(nn.Module):
    """Token ids to hidden states; use `apply(..., method="embed")` for the embeddings alone."""

    config: T5Config
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        # Unit variance, as in T5: a token outweighs what the first blocks add to it.
        self.token_embed = nn.Embed(
            c.vocab_size, c.d_model, embedding_init=nn.initializers.normal(1.0), **dtypes
        )
        self.relative_bias = RelativePositionBias(
            c.num_heads,
            c.relative_attention_num_buckets,
            c.relative_attention_max_distance,
            param_dtype=self.param_dtype,
        )
        blocks = stack(T5Block, c.num_layers, remat=self.remat, unroll=self.unroll, broadcast=2)
        self.blocks = blocks(c, **dtypes)
        self.final_norm = RMSNorm(epsilon=c.layer_norm_epsilon, **dtypes)

    def embed(self, token_ids: TokenIds) -> Float[Array, "b l d"]:
        """Token embeddings; ids beyond the vocabulary give NaN."""
        return self.token_embed(token_ids)

    def __call__(
        self,
        token_ids: TokenIds | None,
        token_mask: TokenMask,
        inputs_embeds: Float[Array, "b l d"] | None = None,
    ) -> Float[Array, "b l d"]:
        """Encodes a padded batch of texts.

        Args:
          token_ids: ids in the vocabulary.
          token_mask: True at tokens; padding is attended to by nothing, though still encoded.
          inputs_embeds: token embeddings to use instead of those of `token_ids`.

        Returns:
          Hidden states after the final norm.
        """
        if inputs_embeds is None:
            assert token_ids is not None
            inputs_embeds = self.embed(token_ids)
        x, _ = self.blocks(
            inputs_embeds, None, self.relative_bias(inputs_embeds.shape[1]), token_mask
        )
        return self.final_norm(x)
