"""Normalisation layers with fp32 statistics, whatever the compute dtype."""

import flax.linen as nn


class LayerNorm(nn.LayerNorm):
    """LayerNorm with the two-pass variance, which stays exact when the mean is large."""

    epsilon: float = 1e-5
    use_fast_variance: bool = False


class RMSNorm(nn.RMSNorm):
    """x / sqrt(mean(x^2) + epsilon) * scale (https://arxiv.org/abs/1910.07467)."""

    epsilon: float = 1e-6


NORMS = {"layernorm": LayerNorm, "rmsnorm": RMSNorm}
"""The norms that a configuration can name."""
