"""One-dimensional ConvNeXt block (https://arxiv.org/abs/2201.03545) as used by Vocos."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float

from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.types import ModuleDTypes


class DepthwiseConv(nn.Module):
    """Depthwise convolution over time with zero padding that keeps the length.

    Written as a sum of shifted products: XLA's grouped convolution is many times slower on CPU
    and no faster elsewhere at this kernel size.
    """

    kernel_size: int = 7
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        channels, time = x.shape[-1], x.shape[1]
        init = nn.initializers.truncated_normal(0.02)
        kernel = self.param("kernel", init, (self.kernel_size, 1, channels), self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (channels,), self.param_dtype)
        half = self.kernel_size // 2
        padded = jnp.pad(x.astype(self.dtype), ((0, 0), (half, half), (0, 0)))
        kernel = kernel.astype(self.dtype)
        taps = [padded[:, i : i + time] * kernel[i, 0] for i in range(self.kernel_size)]
        return sum(taps[1:], taps[0]) + bias.astype(self.dtype)


class ConvNeXtBlock(nn.Module):
    """x + gamma * MLP(LN(depthwise(x))); follows the calling convention of `layers.stack`."""

    hidden_dim: int
    gamma_init: float
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t d"], _: None) -> tuple[Float[Array, "b t d"], None]:
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        y = DepthwiseConv(name="dwconv", **dtypes)(x)
        y = LayerNorm(epsilon=1e-6, name="norm", **dtypes)(y)
        y = nn.gelu(nn.Dense(self.hidden_dim, name="pwconv1", **dtypes)(y), approximate=False)
        y = constrain(y, "batch", "length", "mlp")
        y = nn.Dense(x.shape[-1], name="pwconv2", **dtypes)(y)
        gamma_init = nn.initializers.constant(self.gamma_init)
        gamma = self.param("gamma", gamma_init, (x.shape[-1],), self.param_dtype)
        return constrain(x + gamma.astype(self.dtype) * y, "batch", "length", "embed"), None
