"""Scaled dot-product attention with key masks, softmax in float32."""

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
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if key_mask is not None:
        valid = key_mask[:, :, None, None]
        key, value = jnp.where(valid, key, 0), jnp.where(valid, value, 0)
    logits = jnp.einsum("bthk,blhk->bhtl", query, key, preferred_element_type=jnp.float32) * scale
    if bias is not None:
        logits = logits + bias.astype(jnp.float32)
    if key_mask is not None:
        logits = jnp.where(key_mask[:, None, None, :], logits, jnp.finfo(jnp.float32).min)
    # Without a valid key the weights are uniform, over values that are all zero.
    weights = jax.nn.softmax(logits, axis=-1).astype(value.dtype)
    return jnp.einsum("bhtl,blhk->bthk", weights, value)
