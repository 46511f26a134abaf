"""Normalisation layers with fp32 statistics, whatever the compute dtype."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import DTypeLike


class LayerNorm(nn.LayerNorm):
    """LayerNorm with the two-pass variance, which stays exact when the mean is large."""

    epsilon: float = 1e-5
    use_fast_variance: bool = False


class RMSNorm(nn.RMSNorm):
    """x / sqrt(mean(x^2) + epsilon) * scale (https://arxiv.org/abs/1910.07467)."""

    epsilon: float = 1e-6


def make_norm(
    kind: str,
    dtype: DTypeLike = jnp.float32,
    param_dtype: DTypeLike = jnp.float32,
    name: str | None = None,
) -> nn.Module:
    """The norm that a configuration names: "layernorm" or "rmsnorm"."""
    if kind not in ("layernorm", "rmsnorm"):
        raise ValueError(f"norm {kind!r}: expected 'layernorm' or 'rmsnorm'")
    norm = LayerNorm if kind == "layernorm" else RMSNorm
    return norm(dtype=dtype, param_dtype=param_dtype, name=name)
