"""A separator: the share that a named sound has in the spectra of a recording.

Masks from a text query: LASS-Net (https://arxiv.org/abs/2203.15147), AudioSep
(https://arxiv.org/abs/2308.05037). Beside the spectra it reads the latents of a codec, which say
what is heard, and the text encoder of a generator reads the query. Blocks are those of DiT
(https://arxiv.org/abs/2212.09748), modulated by the query in the place of a noise level.
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, DTypeLike, Float, Int, PRNGKeyArray

from audiogen_jax.layers.apply import apply
from audiogen_jax.layers.attention import Attention
from audiogen_jax.layers.feed_forward import Mlp
from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.layers.stack import stack
from audiogen_jax.models.separator.config import SeparatorConfig
from audiogen_jax.models.t5 import axes as t5
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.ops.stft import stft
from audiogen_jax.sharding.placement import AxisRules, beneath
from audiogen_jax.types import FrameMask, ModuleDTypes, Params, TokenMask, Tokens

Spectra = Complex[Array, "b t f"]
FLOOR = 1e-3
"""Against the level of a recording: magnitudes far below are one to the model."""

AXES: AxisRules = (
    *beneath(
        "separator",
        (
            (r"blocks/attention/(query|key|value)/kernel", ("embed", "heads")),
            (r"blocks/attention/out/kernel", ("heads", "embed")),
            (r"blocks/mlp/fc1/kernel", ("embed", "mlp")),
            (r"blocks/mlp/fc2/kernel", ("mlp", "embed")),
            (r"blocks/modulation/kernel", ("embed", "mlp")),
            (r"(spectra|latents|query|query_weight|masks)/kernel", ("embed", None)),
            (r"(.*/)?(bias|scale)", (None,)),
        ),
    ),
    *beneath("text_encoder", t5.AXES),
)
"""Of {"separator", "text_encoder"}."""


class SeparatorBlock(nn.Module):
    """Self-attention and MLP, modulated; follows the calling convention of `layers.stack`."""

    num_heads: int
    hidden: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t d"], _: None, query: Float[Array, "b d"], mask: FrameMask
    ) -> tuple[Float[Array, "b t d"], None]:
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        width = x.shape[-1]
        modulation = nn.Dense(4 * width, name="modulation", **dtypes)(nn.silu(query))[:, None]
        shift_1, scale_1, shift_2, scale_2 = jnp.split(modulation, 4, axis=-1)
        y = LayerNorm(name="norm1", **dtypes)(x) * (1 + scale_1) + shift_1
        attention = Attention(width, self.num_heads, rope=True, name="attention", **dtypes)
        x = x + attention(y, key_mask=mask)
        y = LayerNorm(name="norm2", **dtypes)(x) * (1 + scale_2) + shift_2
        return x + Mlp(self.hidden, name="mlp", **dtypes)(y), None


class SeparatorNetwork(nn.Module):
    """Spectra, latents and a text that was read -> logits of masks."""

    config: SeparatorConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    remat: str | None = None

    @nn.compact
    def __call__(
        self,
        spectra: Spectra,
        mask: FrameMask,
        latents: Float[Array, "b m c"],
        text: Float[Array, "b l e"],
        text_mask: TokenMask,
    ) -> Float[Array, "b t f"]:
        """Logits of the share of the named sound at every frame and frequency.

        Args:
          spectra: of recordings.
          mask: valid frames.
          latents: of the same recordings.
          text, text_mask: hidden states of the queries, and which are of tokens.
        """
        c = self.config
        dense = functools.partial(nn.Dense, dtype=self.dtype, param_dtype=self.param_dtype)
        weights = dense(c.num_heads, name="query_weight")(text)
        weights = jnp.where(text_mask[..., None], weights.astype(jnp.float32), -1e9)
        weights = jax.nn.softmax(weights, axis=1)
        pooled = jnp.einsum("blh,ble->bhe", weights, text.astype(jnp.float32))
        query = dense(c.width, name="query")(pooled.reshape(len(pooled), -1))

        frames = jnp.arange(spectra.shape[1]) * c.hop // c.samples_per_latent
        beside = latents[:, jnp.minimum(frames, latents.shape[1] - 1)]
        x = dense(c.width, name="spectra")(_levels(spectra, mask))
        x = x + dense(c.width, name="latents")(beside) + query[:, None]
        blocks = stack(SeparatorBlock, c.depth, remat=self.remat, broadcast=2)
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        x, _ = blocks(c.num_heads, c.hidden, name="blocks", **dtypes)(x, None, query, mask)
        x = LayerNorm(name="final_norm", **dtypes)(x)
        return dense(c.bins, name="masks")(x).astype(jnp.float32)


def _levels(spectra: Spectra, mask: FrameMask) -> Float[Array, "b t f"]:
    """Logarithms of magnitudes against the level of each recording."""
    magnitudes = jnp.abs(spectra)
    powers = jnp.where(mask[..., None], jnp.square(magnitudes), 0).sum((1, 2), keepdims=True)
    count = jnp.maximum(mask.sum(1)[:, None, None], 1) * spectra.shape[2]
    level = jnp.sqrt(jnp.maximum(powers / count, 1e-20))
    return (jnp.log(magnitudes / level + FLOOR) + 3) / 3


@dataclasses.dataclass(frozen=True)
class Separator:
    """A separator with the text encoder that reads its queries.

    Parameters are {"separator", "text_encoder"}.

    Attributes:
      config: its sizes.
      text: those of its text encoder.
      dtype: of the computation; spectra, logarithms and masks are float32.
      remat: policy of `jax.checkpoint_policies` by which layers are rematerialised.
    """

    config: SeparatorConfig
    text: T5Config
    dtype: DTypeLike = jnp.float32
    remat: str | None = None

    axes = AXES

    @functools.cached_property
    def _network(self) -> SeparatorNetwork:
        return SeparatorNetwork(self.config, dtype=self.dtype, remat=self.remat)

    @functools.cached_property
    def _text_encoder(self) -> T5Encoder:
        return T5Encoder(self.text, dtype=self.dtype)

    @property
    def min_samples(self) -> int:
        """Of a recording: its edges are mirrored."""
        return self.config.n_fft // 2 + 1

    def init(self, key: PRNGKeyArray) -> Params:
        """Random parameters of the network alone."""
        c = self.config
        spectra = jnp.zeros((1, 2, c.bins), jnp.complex64)
        latents, text = jnp.zeros((1, 1, c.latent_dim)), jnp.zeros((1, 2, c.text_dim))
        mask = jnp.ones((1, 2), bool)
        return self._network.init(key, spectra, mask, latents, text, mask)["params"]

    def spectra(
        self, audio: Float[Array, "b n"], lengths: Int[Array, " b"]
    ) -> tuple[Spectra, Bool[Array, "b t"]]:
        """Spectra of recordings, and which frames are valid."""
        spectra = stft(audio, self.config.n_fft, self.config.hop, lengths)
        return spectra, length_mask(lengths // self.config.hop + 1, spectra.shape[1])

    def logits(
        self,
        params: Params,
        spectra: Spectra,
        mask: FrameMask,
        latents: Float[Array, "b m c"],
        query: Tokens,
    ) -> Float[Array, "b t f"]:
        """What masks are the sigmoid of, for what each text names; see `SeparatorNetwork`."""
        ids, token_mask = jnp.asarray(query.ids), jnp.asarray(query.mask)
        text = apply(self._text_encoder, params["text_encoder"], ids, token_mask)
        sounds = spectra, mask, latents
        return apply(self._network, params["separator"], *sounds, text, token_mask)

    def masks(
        self,
        params: Params,
        spectra: Spectra,
        mask: FrameMask,
        latents: Float[Array, "b m c"],
        query: Tokens,
        sharpness: float | Float[Array, ""] = 1.0,
    ) -> Float[Array, "b t f"]:
        """The share in [0, 1] of what each text names at every frame and frequency.

        Args:
          params, spectra, mask, latents, query: see `logits`.
          sharpness: above 1 moves doubtful shares to none and all.
        """
        return nn.sigmoid(sharpness * self.logits(params, spectra, mask, latents, query))
