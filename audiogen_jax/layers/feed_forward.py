"""Feed-forward blocks."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float

from audiogen_jax.sharding.constraint import constrain
from audiogen_jax.types import ModuleDTypes


class Mlp(nn.Module):
    """Linear, exact GELU, Linear."""

    hidden_dim: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        dense = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        hidden = nn.gelu(nn.Dense(self.hidden_dim, name="fc1", **dense)(x), approximate=False)
        hidden = constrain(hidden, "batch", "length", "mlp")
        return nn.Dense(x.shape[-1], name="fc2", **dense)(hidden)


class GEGLU(nn.Module):
    """(value * gelu(gate)) W + b, value and gate from one projection (arXiv:2002.05202)."""

    hidden_dim: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        dense = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        value, gate = jnp.split(nn.Dense(2 * self.hidden_dim, name="proj_in", **dense)(x), 2, -1)
        hidden = constrain(value * self.activate(gate), "batch", "length", "mlp")
        return nn.Dense(x.shape[-1], name="proj_out", **dense)(hidden)

    def activate(self, gate: Float[Array, "b t e"]) -> Float[Array, "b t e"]:
        """What the values are multiplied by."""
        return nn.gelu(gate, approximate=False)


class SwiGLU(GEGLU):
    """The same with silu(gate)."""

    def activate(self, gate: Float[Array, "b t e"]) -> Float[Array, "b t e"]:
        return nn.silu(gate)
