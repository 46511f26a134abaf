"""The visual half of Synchformer: 25 frames a second to 8 features for every 16 of them.

Sources: https://arxiv.org/abs/2401.16423, and https://arxiv.org/abs/2106.05392 for the attention
divided between time and space. Segments of 16 frames are coded alone.
"""

import dataclasses
from typing import Annotated

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float

from audiogen_jax.layers.apply import apply
from audiogen_jax.layers.attention import Attention
from audiogen_jax.layers.feed_forward import Mlp
from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.layers.stack import stack
from audiogen_jax.models.hf_config import HFConfig, SmallCount, Width
from audiogen_jax.ops.attention import attention
from audiogen_jax.ops.blocks import in_blocks
from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.sharding.placement import AxisRules
from audiogen_jax.types import ModuleDTypes, Params, Range

FRAME_RATE = 25.0
"""Frames per second that it was trained on."""
_SEGMENTS = 4  # at a time

AXES: AxisRules = (
    (r"blocks/(time|space)/qkv/kernel", ("embed", None)),
    (r"blocks/(time|space)/out/kernel", ("heads", "embed")),
    (r"summary/(query|key|value)/kernel", ("embed", "heads")),
    (r"summary/out/kernel", ("heads", "embed")),
    (r"(blocks/mlp|summary_mlp)/fc1/kernel", ("embed", "mlp")),
    (r"(blocks/mlp|summary_mlp)/fc2/kernel", ("mlp", "embed")),
    (r"patch_embed/kernel", (None, "embed")),
    (r"(place|time)_embed|(summary_)?class_token", (None, "embed")),
    (r"(.*/)?(bias|scale)", (None,)),
)
"""Names of the axes of its parameters; see `sharding.placement`."""


@dataclasses.dataclass(frozen=True)
class SynchformerConfig(HFConfig):
    """Sizes of the visual half."""

    MODEL_TYPE = "synchformer"

    width: Width = 768
    depth: SmallCount = 12
    heads: Width = 12
    mlp_ratio: Annotated[int, Range(1, 64)] = 4
    patch: Annotated[int, Range(1, 256)] = 16
    temporal_patch: Annotated[int, Range(1, 16)] = 2
    frames_per_segment: Annotated[int, Range(1, 1024)] = 16
    step: Annotated[int, Range(1, 1024)] = 8
    image_size: Annotated[int, Range(1, 4096)] = 224

    def __post_init__(self):
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width={self.width} must be a multiple of heads={self.heads}")
        if self.image_size % self.patch or self.frames_per_segment % self.temporal_patch:
            raise ValueError(
                f"image_size={self.image_size} must be a multiple of patch={self.patch}, and "
                f"frames_per_segment={self.frames_per_segment} one of "
                f"temporal_patch={self.temporal_patch}"
            )

    @property
    def tokens_per_segment(self) -> int:
        """Features of one segment."""
        return self.frames_per_segment // self.temporal_patch

    @property
    def patches(self) -> int:
        """Of one frame."""
        return (self.image_size // self.patch) ** 2


class DividedAttention(nn.Module):
    """Patches attend to their group and the class token; the class token attends to all."""

    num_heads: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, first: Float[Array, "n 1 d"], x: Float[Array, "n g m d"]
    ) -> tuple[Float[Array, "n 1 d"], Float[Array, "n g m d"]]:
        """Attends.

        Args:
          first: class token.
          x: g groups of m patches.
        """
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        n, g, m, d = x.shape
        tokens = jnp.concatenate([first, x.reshape(n, g * m, d)], axis=1)
        qkv = nn.Dense(3 * d, name="qkv", **dtypes)(tokens)
        query, key, value = (
            each.reshape(n, 1 + g * m, self.num_heads, -1) for each in jnp.split(qkv, 3, axis=-1)
        )
        out_first = attention(query[:, :1], key, value)

        def groups(each: Float[Array, "n l h k"]) -> Float[Array, "ng m h k"]:
            return each[:, 1:].reshape(n * g, m, *each.shape[2:])

        def with_first(each: Float[Array, "n l h k"]) -> Float[Array, "ng m2 h k"]:
            return jnp.concatenate([jnp.repeat(each[:, :1], g, axis=0), groups(each)], axis=1)

        out = attention(groups(query), with_first(key), with_first(value))
        out = jnp.concatenate([out_first, out.reshape(n, g * m, *out.shape[2:])], axis=1)
        out = nn.Dense(d, name="out", **dtypes)(out.reshape(n, 1 + g * m, d))
        return out[:, :1], out[:, 1:].reshape(x.shape)


class Block(nn.Module):
    """Attention in time, attention in space, MLP; follows the convention of `layers.stack`."""

    config: SynchformerConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, carry: tuple[Float[Array, "n 1 d"], Float[Array, "n t p d"]], _: None
    ) -> tuple[tuple[Float[Array, "n 1 d"], Float[Array, "n t p d"]], None]:
        c, (first, x) = self.config, carry
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        norms = {n: _norm(name=f"{n}_norm", **dtypes) for n in ("time", "space", "mlp")}
        norm = norms["time"]
        attend = DividedAttention(c.heads, name="time", **dtypes)
        to_first, to_x = attend(norm(first), norm(x).swapaxes(1, 2))
        first, x = first + to_first, x + to_x.swapaxes(1, 2)
        norm = norms["space"]
        attend = DividedAttention(c.heads, name="space", **dtypes)
        to_first, to_x = attend(norm(first), norm(x))
        first, x = first + to_first, x + to_x
        mlp, norm = Mlp(c.mlp_ratio * c.width, name="mlp", **dtypes), norms["mlp"]
        flat = jnp.concatenate([first, x.reshape(len(x), -1, c.width)], axis=1)
        flat = constrain(flat + mlp(norm(flat)), "batch", "length", "embed")
        return (flat[:, :1], flat[:, 1:].reshape(x.shape)), None


class Synchformer(nn.Module):
    """Segments of frames to features."""

    config: SynchformerConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, frames: Float[Array, "n t y x 3"]) -> Float[Array, "n s d"]:
        """Codes every segment by itself: a feature for each pair of frames.

        Args:
          frames: in [-1, 1].
        """
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        draw = nn.initializers.truncated_normal(0.02)

        def table(name: str, rows: int) -> Float[Array, "rows d"]:
            return self.param(name, draw, (rows, c.width), self.param_dtype).astype(self.dtype)

        n, side, size = len(frames), c.image_size // c.patch, c.patch
        grid = frames.reshape(n, -1, c.temporal_patch, side, size, side, size, 3)
        patches = grid.transpose(0, 1, 3, 5, 7, 2, 4, 6).reshape(n, grid.shape[1], side**2, -1)
        x = nn.Dense(c.width, name="patch_embed", **dtypes)(patches.astype(self.dtype))
        places = table("place_embed", 1 + c.patches)
        x = x + places[1:] + table("time_embed", c.tokens_per_segment)[:, None]
        first = jnp.broadcast_to(table("class_token", 1) + places[:1], (n, 1, c.width))
        (_, x), _ = stack(Block, c.depth)(c, name="blocks", **dtypes)((first, x), None)
        x = _norm(name="final_norm", **dtypes)(x).reshape(-1, c.patches, c.width)
        # One feature for each pair of frames, by a class token of their own.
        first = jnp.broadcast_to(table("summary_class_token", 1), (len(x), 1, c.width))
        x = jnp.concatenate([first, x], axis=1)
        norm = _norm(name="summary_norm", **dtypes)
        attend = Attention(c.width, c.heads, qkv_bias=True, name="summary", **dtypes)
        first = first + attend(norm(first), norm(x))
        mlp = Mlp(c.mlp_ratio * c.width, name="summary_mlp", **dtypes)
        first = first + mlp(_norm(name="summary_mlp_norm", **dtypes)(first))
        return first.reshape(n, -1, c.width)


def _norm(name: str, dtype: DTypeLike, param_dtype: DTypeLike) -> LayerNorm:
    return LayerNorm(epsilon=1e-6, name=name, dtype=dtype, param_dtype=param_dtype)


def sync_features(
    config: SynchformerConfig,
    params: Params,
    frames: Float[Array, "t y x 3"],
    dtype: DTypeLike = jnp.float32,
) -> Float[Array, "s d"]:
    """Features of one video, segments half over one another; frames behind the last are not read.

    Args:
      config: sizes.
      params: of a `Synchformer`.
      frames: 25 a second, in [-1, 1].
      dtype: of the computation.

    Raises:
      ValueError: there are too few frames for one segment, or they are of another size.
    """
    c = config
    if len(frames) < c.frames_per_segment or frames.shape[1:3] != (c.image_size, c.image_size):
        raise ValueError(
            f"frames of shape {frames.shape}: expected at least {c.frames_per_segment}, of "
            f"{c.image_size} x {c.image_size} pixels"
        )
    starts = np.arange(0, len(frames) - c.frames_per_segment + 1, c.step)
    segments = frames[starts[:, None] + np.arange(c.frames_per_segment)]
    model = Synchformer(c, dtype=dtype)
    features = in_blocks(lambda rows: apply(model, params, rows), segments, _SEGMENTS)
    return features.reshape(-1, c.width)
