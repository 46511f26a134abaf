"""Scaled dot-product attention with key masks or causal, softmax in float32."""

import functools
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.ops.blocks import in_turns

CAUSAL_BLOCK = 1024
"""Queries of one causal attention that are taken at a time."""
MOST_LOGITS = 2**22
"""Of all heads together on a CPU; of more, it takes one head after another."""


def attention(
    query: Float[Array, "b t h k"],
    key: Float[Array, "b l g k"],
    value: Float[Array, "b l g k"],
    key_mask: Bool[Array, "b l"] | None = None,
    bias: Float[Array, "h t l"] | None = None,
    scale: float | None = None,
) -> Float[Array, "b t h k"]:
    """softmax(scale q k^T + bias) v, Vaswani et al. 2017, equation 1.

    Masked keys and values are zeroed first, so that whatever stands there (NaN included) reaches
    neither the output nor a gradient. A clip without any valid key attends to nothing: zeros.

    Args:
      query: queries.
      key: keys, with as many heads or a divisor g of them: then h / g queries share one.
      value: values.
      key_mask: True at the keys to attend to; all if None.
      bias: added to the scaled logits of every clip.
      scale: of the logits; 1 / sqrt(k) if None.
    """
    mask = None
    if key_mask is not None:
        valid = key_mask[:, :, None, None]
        key, value = jnp.where(valid, key, 0), jnp.where(valid, value, 0)
        # Without a valid key the weights are uniform, over values that are all zero.
        mask = key_mask[:, None, None, :]
    fused = implementation(query, key, bias, nvidia_capability())
    if fused and mask is not None:
        b, t, l = query.shape[0], query.shape[1], key.shape[1]
        mask = jnp.broadcast_to(mask, (b, 1, t, l))  # cuDNN does not do it itself

    def attend(
        query: Float[Array, "b t h k"], key: Float[Array, "b l g k"], value: Float[Array, "b l g k"]
    ) -> Float[Array, "b t h k"]:
        added = None if bias is None else bias[None]
        return jax.nn.dot_product_attention(
            query, key, value, added, mask, scale=scale, implementation=fused
        )

    b, t, h, _ = query.shape
    if fused or bias is not None or b * h * t * key.shape[1] <= MOST_LOGITS:
        return attend(query, key, value)
    return jax.lax.platform_dependent(
        query, key, value, cpu=functools.partial(_head_by_head, attend), default=attend
    )


def _head_by_head(
    attend: Callable[..., Float[Array, "b t s k"]],
    query: Float[Array, "b t h k"],
    key: Float[Array, "b l g k"],
    value: Float[Array, "b l g k"],
) -> Float[Array, "b t h k"]:
    """Logits of one head fit into caches; the gradient computes them again."""
    (b, t, h, k), g = query.shape, key.shape[2]
    queries = query.reshape(b, t, g, h // g, k).transpose(2, 0, 1, 3, 4)
    keys, values = (jnp.moveaxis(each, 2, 0)[:, :, :, None] for each in (key, value))
    attended = in_turns(lambda query, i: attend(query, keys[i], values[i]), queries)
    return attended.transpose(1, 2, 0, 3, 4).reshape(b, t, h, k)


def causal_attention(
    query: Float[Array, "b t h k"],
    key: Float[Array, "b t g k"],
    value: Float[Array, "b t g k"],
    key_mask: Bool[Array, "b t"],
    block: int = CAUSAL_BLOCK,
) -> Float[Array, "b t h k"]:
    """`attention` in which position i sees the valid keys at 0 .. i.

    Where no fused kernel does it, queries are taken in blocks, so that memory grows with the
    length and not with its square.

    Args:
      query: queries.
      key: keys; see `attention` for g.
      value: values.
      key_mask: True at valid keys.
      block: queries at a time.
    """
    b, t = key_mask.shape
    valid = key_mask[:, :, None, None]
    key, value = jnp.where(valid, key, 0), jnp.where(valid, value, 0)
    fused = implementation(query, key, None, nvidia_capability())

    def of_block(first: Int[Array, ""], query: Float[Array, "b s h k"]) -> Float[Array, "b s h k"]:
        earlier = jnp.arange(t) <= (first + jnp.arange(query.shape[1]))[:, None]
        mask = earlier & key_mask[:, None, None, :]
        return jax.nn.dot_product_attention(query, key, value, mask=mask, implementation=fused)

    if fused or t <= block:
        return of_block(jnp.int32(0), query)
    count = -(-t // block)
    blocks = jnp.pad(query, ((0, 0), (0, count * block - t), (0, 0), (0, 0)))
    blocks = blocks.reshape(b, count, block, *query.shape[2:]).swapaxes(0, 1)
    attended = jax.lax.map(lambda each: of_block(*each), (jnp.arange(count) * block, blocks))
    return attended.swapaxes(0, 1).reshape(b, count * block, *query.shape[2:])[:, :t]


def implementation(
    query: Float[Array, "b t h k"],
    key: Float[Array, "b l g k"],
    bias: Float[Array, "h t l"] | None,
    capability: float | None,
) -> Literal["cudnn"] | None:
    """Which attention of jax to use: cuDNN's fused one where it fits, XLA's (None) otherwise.

    It fits bfloat16 on NVIDIA GPUs since Ampere (8.0), heads of a multiple of 8 up to 128, and
    even lengths, which its gradient asks for. A bias would be rounded to bfloat16: XLA adds it in
    float32.

    Args:
      query: queries.
      key: keys.
      bias: of the logits.
      capability: from `nvidia_capability`.
    """
    width = query.shape[-1]
    fits = (
        capability is not None
        and capability >= 8.0
        and bias is None
        and query.dtype == jnp.bfloat16
        and query.shape[1] % 2 == key.shape[1] % 2 == 0
        and width % 8 == 0
        and width <= 128
    )
    return "cudnn" if fits else None


def nvidia_capability() -> float | None:
    """The CUDA compute capability of the first device, None if it is not one of NVIDIA's GPUs."""
    device = jax.devices()[0]
    if device.platform != "gpu" or "cuda" not in device.client.platform_version:
        return None
    return float(device.compute_capability)
