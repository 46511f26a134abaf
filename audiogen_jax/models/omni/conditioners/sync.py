"""Visual features (Synchformer, 8 for every 0.32 s of video) as tokens of the prefix."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float

from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.models.omni.conditioners.layers import along_time
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.types import ModuleDTypes


class SyncTokens(nn.Module):
    """LayerNorm, linear along features, linear along time; no video is features of zeros."""

    config: OmniConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, features: Float[Array, "b v s"]) -> Float[Array, "b u e"]:
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        normed = LayerNorm(name="norm", **dtypes)(features)
        zeros = nn.initializers.zeros
        projected = nn.Dense(c.cond_dim, kernel_init=zeros, name="project", **dtypes)(normed)
        return along_time(nn.Dense(c.sync_tokens, name="along_time", **dtypes), projected)
