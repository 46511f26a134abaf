"""Array aliases shared by the whole package.

One letter per axis everywhere: b batch, t latent frames, n samples, d model,
c latent channels, l text tokens, f mel bins, h heads, k head dim.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from jaxtyping import Array, Bool, Float, Int

Params: TypeAlias = Mapping[str, Any]
"""A Linen parameter tree: nested plain dicts whose leaves are arrays."""

Waveform: TypeAlias = Float[Array, "b n"]
Latents: TypeAlias = Float[Array, "b t c"]
FrameMask: TypeAlias = Bool[Array, "b t"]
TokenIds: TypeAlias = Int[Array, "b l"]
TokenMask: TypeAlias = Bool[Array, "b l"]

VelocityFn: TypeAlias = Callable[[Latents, Any], Latents]
"""(x, sigma) -> d x / d sigma. Sigma in [0, 1] is an array [b] in training and a number for all
clips in sampling; a sampler may put in its place what the model precomputed of it."""
