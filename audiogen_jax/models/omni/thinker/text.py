"""The text decoder of the thinker: grouped queries, gated MLP, three rotary positions a token.

Layers are a tuple of parameter trees and a Python loop over them: each token of an answer reads
every weight once, and a scan would copy each layer out of stacked arrays first.
"""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, DTypeLike, Float, Int, PRNGKeyArray

from audiogen_jax.layers.apply import apply
from audiogen_jax.layers.norm import RMSNorm
from audiogen_jax.models.omni.thinker.config import TextConfig
from audiogen_jax.models.omni.thinker.rope import multimodal_angles
from audiogen_jax.ops.attention import attention, causal_attention
from audiogen_jax.ops.rope import rotate
from audiogen_jax.ops.widened import dot, dot_transposed
from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.types import ModuleDTypes, Params


class KeyValue(NamedTuple):
    """Keys and values of one layer, rotated; g heads, each for several queries."""

    key: Float[Array, "b l g k"]
    value: Float[Array, "b l g k"]


class WidenedDense(nn.Module):
    """As Flax's, with kernels that may rest in half precision; see `ops.widened`."""

    features: int
    use_bias: bool
    dtype: DTypeLike
    param_dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "*b i"]) -> Float[Array, "*b o"]:
        draw, shape = nn.initializers.lecun_normal(), (x.shape[-1], self.features)
        y = dot(x, self.param("kernel", draw, shape, self.param_dtype), self.dtype)
        if self.use_bias:
            zeros = nn.initializers.zeros
            y += self.param("bias", zeros, shape[1:], self.param_dtype).astype(self.dtype)
        return y


class DecoderLayer(nn.Module):
    """Pre-norm causal attention and SwiGLU."""

    config: TextConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)

        def dense(features: int, use_bias: bool = False) -> WidenedDense:
            return WidenedDense(features, use_bias=use_bias, **dtypes)

        self.attention_norm = RMSNorm(epsilon=c.rms_norm_eps, **dtypes)
        self.query = dense(c.num_attention_heads * c.head_dim, use_bias=True)
        self.key = dense(c.num_key_value_heads * c.head_dim, use_bias=True)
        self.value = dense(c.num_key_value_heads * c.head_dim, use_bias=True)
        self.out = dense(c.hidden_size)
        self.mlp_norm = RMSNorm(epsilon=c.rms_norm_eps, **dtypes)
        self.gate, self.up = dense(c.intermediate_size), dense(c.intermediate_size)
        self.down = dense(c.hidden_size)

    def __call__(
        self, x: Float[Array, "b t d"], angles: Float[Array, "b t half"], mask: Bool[Array, "b t"]
    ) -> tuple[Float[Array, "b t d"], KeyValue]:
        """Reads whole texts; valid tokens see those before them."""
        query, new = self._project(x, angles)
        attended = causal_attention(query, new.key, new.value, mask)
        return self._finish(x, attended), new

    def step(
        self,
        x: Float[Array, "b 1 d"],
        angles: Float[Array, "b 1 half"],
        mask: Bool[Array, "b l"],
        cache: KeyValue,
        slot: Int[Array, ""],
    ) -> tuple[Float[Array, "b 1 d"], KeyValue]:
        """Reads one token more.

        Args:
          x: the token.
          angles: of its positions.
          mask: True at the slots to attend to, that of the token among them.
          cache: keys and values of l slots.
          slot: where those of the token go.
        """
        query, new = self._project(x, angles)
        cache = jax.tree.map(
            lambda old, one: jax.lax.dynamic_update_slice_in_dim(old, one, slot, 1), cache, new
        )
        return self._finish(x, attention(query, cache.key, cache.value, mask)), cache

    def _project(
        self, x: Float[Array, "b t d"], angles: Float[Array, "b t half"]
    ) -> tuple[Float[Array, "b t h k"], KeyValue]:
        y = self.attention_norm(x)
        query, key = self._heads(self.query(y)), self._heads(self.key(y))
        return rotate(query, angles), KeyValue(rotate(key, angles), self._heads(self.value(y)))

    def _heads(self, projected: Float[Array, "b t e"]) -> Float[Array, "b t g k"]:
        heads = projected.reshape(*projected.shape[:2], -1, self.config.head_dim)
        return constrain(heads, "batch", "length", "heads", "head_dim")

    def _finish(
        self, x: Float[Array, "b t d"], attended: Float[Array, "b t h k"]
    ) -> Float[Array, "b t d"]:
        x = x + self.out(attended.reshape(*x.shape[:2], -1))
        y = self.mlp_norm(x)
        y = constrain(nn.silu(self.gate(y)) * self.up(y), "batch", "length", "mlp")
        return constrain(x + self.down(y), "batch", "length", "embed")


class TextDecoder(NamedTuple):
    """The decoder as functions of its parameters.

    Attributes:
      config: its sizes.
      dtype: of the computation.
    """

    config: TextConfig
    dtype: DTypeLike = jnp.float32

    @property
    def layer(self) -> DecoderLayer:
        return DecoderLayer(self.config, dtype=self.dtype)

    def angles(self, positions: Int[Array, "3 b t"]) -> Float[Array, "b t half"]:
        """See `multimodal_angles`."""
        return multimodal_angles(positions, self.config.mrope_section, self.config.rope_theta)

    def embed(self, params: Params, ids: Int[Array, "b t"]) -> Float[Array, "b t d"]:
        """Vectors of tokens; ids beyond the vocabulary give NaN."""
        return jnp.take(params["embed"]["embedding"], ids, axis=0).astype(self.dtype)

    def read(
        self,
        params: Params,
        x: Float[Array, "b t d"],
        positions: Int[Array, "3 b t"],
        mask: Bool[Array, "b t"],
        layers: int | None = None,
    ) -> tuple[Float[Array, "b t d"], list[KeyValue]]:
        """The first layers over whole texts, all if None; the final norm is that of `logits`."""
        angles, layer = self.angles(positions), self.layer
        caches = []
        for weights in params["layers"][:layers]:
            x, cache = apply(layer, weights, x, angles, mask)
            caches.append(cache)
        return x, caches

    def step(
        self,
        params: Params,
        x: Float[Array, "b 1 d"],
        positions: Int[Array, "3 b 1"],
        mask: Bool[Array, "b l"],
        caches: Sequence[KeyValue],
        slot: Int[Array, ""],
    ) -> tuple[Float[Array, "b 1 d"], list[KeyValue]]:
        """All layers over one token more; see `DecoderLayer.step`."""
        angles, layer = self.angles(positions), self.layer
        new = []
        for weights, cache in zip(params["layers"], caches, strict=True):
            x, cache = apply(layer, weights, x, angles, mask, cache, slot, method="step")
            new.append(cache)
        return x, new

    def logits(self, params: Params, x: Float[Array, "... d"]) -> Float[Array, "... v"]:
        """Of the next token, float32."""
        norm = RMSNorm(epsilon=self.config.rms_norm_eps, dtype=self.dtype)
        last = apply(norm, params["norm"], x)
        return dot_transposed(last, params["head"]["embedding"], self.dtype)

    def init(self, key: PRNGKeyArray) -> dict[str, Params]:
        """Random parameters; layers are stacked along their first axis, see `unstack`."""
        c = self.config
        keys = jax.random.split(key, 3)
        x, angles = jnp.zeros((1, 1, c.hidden_size)), jnp.zeros((1, 1, c.head_dim // 2))
        mask = jnp.ones((1, 1), bool)
        draw = nn.initializers.normal(c.hidden_size**-0.5)
        return {
            "embed": {
                "embedding": nn.initializers.normal(1.0)(keys[0], (c.vocab_size, x.shape[-1]))
            },
            "layers": jax.vmap(lambda each: self.layer.init(each, x, angles, mask)["params"])(
                jax.random.split(keys[1], c.num_hidden_layers)
            ),
            "norm": {"scale": jnp.ones(c.hidden_size)},
            "head": {"embedding": draw(keys[2], (c.vocab_size, c.hidden_size))},
        }


def unstack(params: Params) -> Params:
    """Parameters of a decoder with a tuple of layers, stacked before or named by their numbers."""
    layers = params["layers"]
    if isinstance(layers, tuple):
        return params
    if "0" in layers:
        apart = tuple(layers[str(i)] for i in range(len(layers)))
    else:
        depth = len(jax.tree.leaves(layers)[0])
        apart = tuple(jax.tree.map(lambda leaf, i=i: leaf[i], layers) for i in range(depth))
    return {**params, "layers": apart}
