"""Scaled dot-product attention with key masks, softmax in float32."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def attention(
    query: Float[Array, "b t h k"],
    key: Float[Array, "b l h k"],
    value: Float[Array, "b l h k"],
    key_mask: Bool[Array, "b l"] | None = None,
    bias: Float[Array, "h t l"] | None = None,
    scale: float | None = None,
) -> Float[Array, "b t h k"]:
    """softmax(scale q k^T + bias) v, Vaswani et al. 2017, equation 1.

    Masked keys and values are zeroed first, so that whatever stands there (NaN included) reaches
    neither the output nor a gradient. A clip without any valid key attends to nothing: zeros.

    Args:
      query: queries.
      key: keys.
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
    return jax.nn.dot_product_attention(
        query,
        key,
        value,
        bias=None if bias is None else bias[None],
        mask=mask,
        scale=scale,
        implementation=fused,
    )


def implementation(
    query: Float[Array, "b t h k"],
    key: Float[Array, "b l h k"],
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
